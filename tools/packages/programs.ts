// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";

/** How a program is run. */
export interface RunOptions {
  readonly cwd: string;
  readonly timeoutMs?: number;
  /** Beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

/** npm tells its scripts about the project it was started in; a second npm must not take that for its own. */
const OF_THE_OUTER_NPM = /^(npm_config_local_prefix|npm_package_|npm_lifecycle_|INIT_CWD$|NODE_OPTIONS$|VITEST)/;

/**
 * What a program printed.
 * @throws Error with everything it printed, when it does not end with 0.
 */
export function run(program: string, args: readonly string[], options: RunOptions): Promise<string> {
  const outer = Object.entries(process.env).filter(([name]) => !OF_THE_OUTER_NPM.test(name));
  const env = { ...Object.fromEntries(outer), NO_COLOR: "1", ...options.env };
  const { cwd, timeoutMs: timeout = 300_000 } = options;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  execFile(program, args, { cwd, env, timeout, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
    if (error) reject(new Error(`${error.message.split("\n")[0]}\n${stdout}${stderr}`));
    else resolve(stdout);
  });
  return promise;
}

/** Runs the npm on the path. */
export function npm(args: readonly string[], options: RunOptions): Promise<string> {
  return run("npm", args, options);
}
