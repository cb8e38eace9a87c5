// SPDX-License-Identifier: Apache-2.0
import { relative } from "node:path";
import { formatFeedProblem, type FeedProblem } from "@ambientmesh/kube/local";
import type { Terminal } from "./terminal.ts";

/** Tells what is wrong in the folders of YAML: each problem once, and when all are gone. */
export class ProblemTeller {
  readonly #terminal: Terminal;
  #told: ReadonlySet<string> = new Set();

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** @param problems everything that is wrong now, with absolute paths */
  tell(problems: readonly FeedProblem[]): void {
    const texts = new Set(
      problems.map((problem) => formatFeedProblem({ ...problem, file: relative(process.cwd(), problem.file) || "." })),
    );
    for (const text of texts) if (!this.#told.has(text)) this.#terminal.tell(`problem: ${text}`);
    if (texts.size > 0 && [...texts].some((text) => !this.#told.has(text))) {
      this.#terminal.tell("         what the file said before stays in force");
    }
    if (texts.size === 0 && this.#told.size > 0) this.#terminal.tell("the folder is fine again");
    this.#told = texts;
  }
}
