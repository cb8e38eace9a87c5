// SPDX-License-Identifier: Apache-2.0
import type { LocalKube } from "../local-kube.ts";
import type { FeedProblem } from "./feed-problem.ts";
import { FeedState } from "./feed-state.ts";

/**
 * Applies YAML texts to a local server once, without HTTP and without watching anything: for offline tools and tests.
 * Definitions and namespaces come first, wherever they stand. Gives back everything that is wrong, with its place;
 * of a file with a problem nothing is applied.
 *
 * @param files name (for messages) to text
 */
export function applyYaml(
  server: LocalKube,
  files: ReadonlyMap<string, string>,
  fieldManager = "yaml",
): readonly FeedProblem[] {
  return new FeedState(server.objects, fieldManager).update({ files, directories: [], problems: [] });
}
