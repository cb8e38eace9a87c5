// SPDX-License-Identifier: Apache-2.0
import { cliErrors } from "../errors.ts";
import type { LocalMesh } from "../local/mesh.ts";

/** What a step works with. */
export interface StoryContext {
  readonly mesh: LocalMesh;
  /** Lifetime asked for certificates in this run, in seconds. */
  readonly certificateTtlSeconds: number;
}

/** A chapter of the story: does something, looks at it from outside, and says what it saw. */
export interface Chapter {
  readonly name: string;
  /** Resolves with what was observed; rejects with what was not. */
  tell(context: StoryContext): Promise<string>;
}

/** @throws MeshError CLI_STORY_FAILED with the text when the condition does not hold. */
export function expectThat(condition: boolean, text: string): asserts condition {
  if (!condition) throw cliErrors.create("CLI_STORY_FAILED", text);
}
