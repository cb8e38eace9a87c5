// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { abortedError } from "@ambientmesh/core";
import { linuxErrors, type LinuxErrorCode } from "../errors.ts";
import { inNetns } from "../netns/in-netns.ts";
import type { NetnsRef } from "../netns/netns.ts";

/** How a program is run. */
export interface RunOptions {
  /** Unset: the namespace of this process. */
  readonly netns?: NetnsRef | undefined;
  /** Written to the program's standard input. */
  readonly stdin?: string;
  /** Descriptors the program inherits, as 3, 4, and so on. */
  readonly inheritedFds?: readonly number[];
  /** Replaces the whole environment. Default: {@link SEARCH_PATH}, and LC_ALL=C so that messages can be read. */
  readonly env?: Readonly<Record<string, string>>;
  /** For standard output and standard error together. Default 16 MiB. */
  readonly maxOutputBytes?: number;
  /** Aborting kills the program. */
  readonly signal?: AbortSignal | undefined;
}

/** How a program ended. */
export interface RunResult {
  /** Null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where tools are looked for. Fixed, so that a root process runs nothing from a folder that a variable names. */
export const SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const DEFAULT_MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const DEFAULT_ENV = { PATH: SEARCH_PATH, LC_ALL: "C" };

/** The command, run in a control group namespace if one is given (by nsenter of util-linux; needs CAP_SYS_ADMIN). */
export function inCgroupNamespace(
  command: readonly [string, ...string[]],
  { cgroupNamespace }: { readonly cgroupNamespace?: string },
): readonly [string, ...string[]] {
  return cgroupNamespace === undefined ? command : ["nsenter", `--cgroup=${cgroupNamespace}`, "--", ...command];
}

/**
 * Starts a program, in another network namespace if one is given: a child is in the namespace its parent's thread is
 * in at the fork, and Node forks before `spawn` returns.
 */
export function spawnProgram(
  command: readonly [string, ...string[]],
  options: SpawnOptions,
  netns?: NetnsRef,
): ChildProcess {
  const [file, ...args] = command;
  const start = (): ChildProcess => spawn(file, args, options);
  return netns ? inNetns(netns, start) : start();
}

/**
 * Runs a program to its end and collects what it writes. A failing exit code is a result, not an error.
 * @throws MeshError LINUX_TOOL_MISSING, LINUX_TOOL_OUTPUT (it wrote too much and was killed), ABORTED
 */
export async function runProgram(
  command: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<RunResult> {
  const { stdin, signal, env = DEFAULT_ENV, maxOutputBytes = DEFAULT_MAX_OUTPUT_BYTES, inheritedFds = [] } = options;
  if (signal?.aborted) throw abortedError(signal, command[0]);
  const child = spawnProgram(command, { env, stdio: ["pipe", "pipe", "pipe", ...inheritedFds] }, options.netns);
  const kill = (): void => {
    child.kill("SIGKILL");
    // Its own children may hold the pipes open for long.
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  signal?.addEventListener("abort", kill, { once: true });
  const output = new BoundedOutput(maxOutputBytes, kill);
  const { promise, resolve, reject } = Promise.withResolvers<Pick<RunResult, "exitCode" | "signal">>();
  child.once("error", reject);
  child.once("close", (exitCode, killedBy) => resolve({ exitCode, signal: killedBy }));
  // A program that ends without reading its input says why by its exit code.
  child.stdin?.on("error", () => {});
  child.stdin?.end(stdin);
  const stdout = output.collect(child.stdout);
  const stderr = output.collect(child.stderr);
  try {
    const end = await promise;
    if (signal?.aborted) throw abortedError(signal, command[0]);
    if (output.isExceeded) throw tooMuch(command, maxOutputBytes);
    return { ...end, stdout: stdout(), stderr: stderr() };
  } catch (error) {
    throw startError(command[0], error);
  } finally {
    signal?.removeEventListener("abort", kill);
  }
}

/**
 * Runs a tool that has to succeed, and returns its standard output.
 * @throws MeshError LINUX_TOOL_FAILED, LINUX_CAPABILITY_MISSING or LINUX_FEATURE_MISSING (details: stderr, exitCode),
 * and as {@link runProgram}
 */
export async function runTool(command: readonly [string, ...string[]], options: RunOptions = {}): Promise<string> {
  const result = await runProgram(command, options);
  if (result.exitCode === 0) return result.stdout;
  throw toolError(command, result, options.netns);
}

/** The typed error for a tool that failed. */
export function toolError(command: readonly string[], result: RunResult, netns?: NetnsRef): Error {
  const stderr = result.stderr.trim();
  const { code, extra } = classify(stderr);
  const place = netns ? ` in ${netns.id}` : "";
  const end = result.exitCode === null ? `was ended by ${result.signal}` : `failed with exit code ${result.exitCode}`;
  const { exitCode } = result;
  return linuxErrors.create(code, `"${command.join(" ")}"${place} ${end}: ${stderr || "it gave no reason"}`, {
    details: { command, exitCode, stderr, ...extra },
  });
}

interface Classification {
  readonly code: LinuxErrorCode;
  readonly extra: Readonly<Record<string, string>>;
}

function classify(stderr: string): Classification {
  if (/Operation not permitted|Permission denied|you must be root/i.test(stderr)) {
    return { code: "LINUX_CAPABILITY_MISSING", extra: { capability: "NET_ADMIN" } };
  }
  if (
    /Operation not supported|Protocol not supported|can't initialize|Couldn't load (match|target)|missing kernel module/i.test(
      stderr,
    )
  ) {
    return { code: "LINUX_FEATURE_MISSING", extra: { feature: stderr.split("\n")[0] ?? "" } };
  }
  return { code: "LINUX_TOOL_FAILED", extra: {} };
}

function startError(file: string, error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") return error;
  return linuxErrors.create("LINUX_TOOL_MISSING", `"${file}" is not installed, or not in ${SEARCH_PATH}`, {
    cause: error,
    details: { tool: file },
  });
}

function tooMuch([file]: readonly [string, ...string[]], limit: number): Error {
  return linuxErrors.create("LINUX_TOOL_OUTPUT", `${file} wrote more than ${limit} bytes and was stopped`, {
    details: { limit },
  });
}

/** Collects several streams up to a common limit. */
class BoundedOutput {
  readonly #limit: number;
  readonly #onExceeded: () => void;
  #length = 0;

  constructor(limit: number, onExceeded: () => void) {
    this.#limit = limit;
    this.#onExceeded = onExceeded;
  }

  get isExceeded(): boolean {
    return this.#length > this.#limit;
  }

  /** Reads the stream; the returned function gives its text once it has ended. */
  collect(stream: NodeJS.ReadableStream | null): () => string {
    const chunks: Buffer[] = [];
    stream?.on("data", (chunk: Buffer) => {
      this.#length += chunk.length;
      if (this.isExceeded) this.#onExceeded();
      else chunks.push(chunk);
    });
    return () => Buffer.concat(chunks).toString("utf8");
  }
}
