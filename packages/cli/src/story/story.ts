// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import type { StoryReport, StoryStep } from "./report.ts";
import type { Chapter, StoryContext } from "./step.ts";
import { dump } from "./steps/dump.ts";
import { enrol } from "./steps/enrol.ts";
import { identities } from "./steps/identities.ts";
import { istiodKilled } from "./steps/istiod-killed.ts";
import { plaintext } from "./steps/plaintext.ts";
import { policy } from "./steps/policy.ts";
import { rotation } from "./steps/rotation.ts";
import { strict } from "./steps/peer-authentication.ts";

/** The chapters in order; each builds on the state that those before it leave. */
export const CHAPTERS: readonly Chapter[] = [
  plaintext,
  enrol,
  identities,
  policy,
  strict,
  dump,
  rotation,
  istiodKilled,
];

/**
 * Proves on a running bookshop what an ambient mesh is for. A chapter that fails does not stop those after it.
 * @param onStep called as each chapter ends, for progress.
 */
export async function tellStory(context: StoryContext, onStep: (step: StoryStep) => void): Promise<StoryReport> {
  const steps: StoryStep[] = [];
  for (const chapter of CHAPTERS) {
    const step = await told(chapter, context);
    steps.push(step);
    onStep(step);
  }
  return { ok: steps.every(({ ok }) => ok), steps };
}

async function told(chapter: Chapter, context: StoryContext): Promise<StoryStep> {
  try {
    return { name: chapter.name, ok: true, observed: await chapter.tell(context) };
  } catch (error) {
    return { name: chapter.name, ok: false, observed: messageOf(error) };
  }
}
