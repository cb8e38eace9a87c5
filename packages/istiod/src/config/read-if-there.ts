// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/** The text of a file; undefined if there is none. @throws what else is wrong with it */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
