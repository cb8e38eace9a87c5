// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from "node:child_process";
import { spawnIn, type BindMount, type NetnsRef } from "@ambientmesh/linux";
import type { Clock } from "@ambientmesh/core";
import { exitCodeOf } from "./kubelet/container-process.ts";
import type { ExecOptions, ExecResult } from "./mesh.ts";

/** Where a program is run, and with which environment. */
export interface ProgramPlace {
  /** Undefined: on the machine itself. */
  readonly netns?: NetnsRef;
  /** Replaces /etc/resolv.conf. */
  readonly resolver?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const RESOLVER_FILE = "/etc/resolv.conf";
const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
/** As timeout(1). */
const TIMED_OUT = 124;
/** As shells. */
const NOT_FOUND = 127;

/** Programs that people, tests and the story run inside of the mesh. All end with it. */
export class ProgramsInside implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #running = new Set<ChildProcess>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts a program; the caller reads its output. It leads its own process group. */
  spawn(argv: readonly string[], { netns, resolver, env }: ProgramPlace): ChildProcess {
    const [program = "", ...args] = argv;
    const mounts: readonly BindMount[] = resolver === undefined ? [] : [{ source: resolver, target: RESOLVER_FILE }];
    const child = spawnIn([program, ...args], { ...(netns && { netns }), mounts, env, detached: true });
    this.#running.add(child);
    child.once("close", () => this.#running.delete(child));
    // Emitted when it could not be started; "close" follows.
    child.on("error", () => {});
    return child;
  }

  /** Runs a program to its end. What it writes beyond 16 MiB ends it. */
  async run(argv: readonly string[], place: ProgramPlace, options: ExecOptions = {}): Promise<ExecResult> {
    const child = this.spawn(argv, place);
    const { promise, resolve } = Promise.withResolvers<ExecResult>();
    let isTimedOut = false;
    const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    using _timer = this.#clock.setTimer(timeoutMs, () => {
      isTimedOut = true;
      endGroup(child);
    });
    // A program that ends without reading its input says why by its exit code.
    child.stdin?.on("error", () => {});
    child.stdin?.end(options.input);
    const stdout = collect(child.stdout, () => endGroup(child));
    const stderr = collect(child.stderr, () => endGroup(child));
    child.once("error", (error) => resolve({ code: NOT_FOUND, stdout: "", stderr: error.message }));
    child.once("close", (code, signal) => {
      resolve({ code: isTimedOut ? TIMED_OUT : (code ?? exitCodeOf(signal)), stdout: stdout(), stderr: stderr() });
    });
    return await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = [...this.#running];
    const closed = running.map((child) => new Promise((resolve) => child.once("close", resolve)));
    for (const child of running) endGroup(child);
    await Promise.all(closed);
  }
}

/** Ends a program with what it has started. */
function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function collect(stream: NodeJS.ReadableStream | null, onTooMuch: () => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_OUTPUT_BYTES) onTooMuch();
    else chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString("utf8");
}
