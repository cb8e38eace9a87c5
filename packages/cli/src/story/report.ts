// SPDX-License-Identifier: Apache-2.0

/** One thing the story shows, with the evidence. */
export interface StoryStep {
  readonly name: string;
  readonly ok: boolean;
  /** What outside witnesses saw; for a failed step, what was missing. */
  readonly observed: string;
}

/** The whole proof; `ok` when there are steps and every one holds. */
export interface StoryReport {
  readonly ok: boolean;
  readonly steps: readonly StoryStep[];
}
