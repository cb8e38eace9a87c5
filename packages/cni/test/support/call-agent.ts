// SPDX-License-Identifier: Apache-2.0
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { runProgram, type RunResult } from "@ambientmesh/linux";

/** The command line of the agent, from its sources. */
export const INSTALL_CNI: readonly [string, ...string[]] = [
  execPath,
  "--conditions=@ambientmesh/source",
  fileURLToPath(new URL("../../src/main.ts", import.meta.url)),
];

/** Runs it to its end. */
export function runInstallCni(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  return runProgram([...INSTALL_CNI, ...args], { env });
}
