// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { translateCommand } from "./command.ts";

/** `istiod translate` on this process's standard output and error; sets its exit code. */
export async function runTranslate(argv: readonly string[]): Promise<void> {
  const { stdout, stderr, exitCode } = await translateCommand(argv);
  for (const line of stderr) process.stderr.write(`${line}\n`);
  process.exitCode = exitCode;
  if (!process.stdout.write(stdout)) await once(process.stdout, "drain");
}
