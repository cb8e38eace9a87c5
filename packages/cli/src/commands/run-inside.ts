// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { INSIDE_VARIABLE, RUN_ROOT_VARIABLE } from "../config.ts";
import { exitCodeOf } from "../local/kubelet/container-process.ts";
import { formatInherited, openSocket, type HostSocket, type WantedSocket } from "../local/host-sockets.ts";

/** A copy of this program in namespaces of its own. */
export interface InsideOptions {
  /** Begins its command line. */
  readonly enter: readonly [string, ...string[]];
  /** Command line of this program. */
  readonly self: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Its run directory's parent. */
  readonly root: string;
  /** Ports of the machine, which it could not open in there. */
  readonly sockets: readonly WantedSocket[];
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Standard input, output and error come first. */
const FIRST_FD = 3;

/**
 * Runs this program again inside namespaces, with the machine's sockets that it needs. It gets the same signals, and ends
 * when this process does.
 * @returns its exit code
 * @throws MeshError CLI_PORT_BUSY
 */
export async function runInside({ enter, self, env, root, sockets }: InsideOptions): Promise<number> {
  const opened: HostSocket[] = [];
  try {
    for (const wanted of sockets) opened.push(openSocket(wanted));
    const inherited = new Map(
      sockets.map(({ key }, index) => [key, { fd: FIRST_FD + index, port: (opened[index] as HostSocket).port }]),
    );
    const [program, ...args] = [...enter, "setpriv", "--pdeathsig", "TERM", ...self] as const;
    const child = spawn(program, args, {
      env: { ...env, [INSIDE_VARIABLE]: formatInherited(inherited), [RUN_ROOT_VARIABLE]: root },
      stdio: ["inherit", "inherit", "inherit", ...opened.map(({ fd }) => fd)],
    });
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    for (const signal of SIGNALS) process.on(signal, pass);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? exitCodeOf(signal)));
    try {
      return await promise;
    } finally {
      for (const signal of SIGNALS) process.off(signal, pass);
    }
  } finally {
    for (const { fd } of opened) closeSync(fd);
  }
}
