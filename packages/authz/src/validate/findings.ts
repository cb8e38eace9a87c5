// SPDX-License-Identifier: Apache-2.0
import type { Parsed, Problem } from "../problem.ts";

/** What validation found: errors are reasons to refuse an object, warnings are shown to its author. */
export interface Finding extends Problem {
  readonly severity: "error" | "warning";
}

/** Gathers findings. */
export class Findings {
  readonly list: Finding[] = [];

  error(path: string, message: string): void {
    this.list.push({ severity: "error", path, message });
  }

  warning(path: string, message: string): void {
    this.list.push({ severity: "warning", path, message });
  }

  /** An error for each value that can't be read. */
  each(path: string, values: readonly string[] | undefined, parse: (value: string) => Parsed<unknown>): void {
    for (const [at, value] of (values ?? []).entries()) {
      const result = parse(value);
      if (!result.ok) this.error(`${path}[${at}]`, result.message);
    }
  }
}
