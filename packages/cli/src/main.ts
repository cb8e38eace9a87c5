#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
import { isMeshError, messageOf, systemClock } from "@ambientmesh/core";
import type { Replacement } from "./commands/exec.ts";
import { createProgram } from "./commands/program.ts";
import { processTerminal } from "./commands/terminal.ts";
import { parseConfig } from "./config.ts";
import { cliErrors } from "./errors.ts";

/** Never returns where the kernel and Node.js allow it. */
function become({ program, argv, env }: Replacement): never {
  process.execve?.(program, [...argv], { ...env });
  throw cliErrors.create("CLI_PRIVILEGE_MISSING", "this Node.js can't start a program in its own place");
}

async function main(argv: readonly string[]): Promise<number> {
  const config = parseConfig(process.env, process.getuid?.() ?? 0);
  let exitCode = 0;
  const program = createProgram({
    config,
    env: process.env,
    terminal: processTerminal(),
    clock: systemClock,
    resolve: (specifier) => import.meta.resolve(specifier),
    self: [process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    become,
    onExit: (code) => {
      exitCode = code;
    },
  });
  await program.parseAsync([...argv]);
  return exitCode;
}

main(process.argv).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const code = isMeshError(error) ? ` (${error.code})` : "";
    process.stderr.write(`error: ${messageOf(error)}${code}\n`);
    process.exit(1);
  },
);
