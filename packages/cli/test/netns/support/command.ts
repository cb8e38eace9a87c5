// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../../src/main.ts", import.meta.url));
const SELF = [process.execPath, "--conditions=@ambientmesh/source", MAIN];

export interface CommandOptions {
  /** Where run directories are. */
  readonly runRoot: string;
  /** Begins the command line. */
  readonly prefix?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A running `ambientctl`. Disposing ends it, and removes what it has left. */
export class AmbientctlCommand implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #args: readonly string[];
  readonly #options: CommandOptions;
  stdout = "";
  stderr = "";

  constructor(args: readonly string[], options: CommandOptions) {
    this.#args = args;
    this.#options = options;
    const [program = "", ...rest] = [...(options.prefix ?? []), ...SELF, ...args];
    const env = { PATH: process.env["PATH"], HOME: tmpdir(), AMBIENTCTL_RUN_ROOT: options.runRoot, ...options.env };
    this.child = spawn(program, rest, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.stdout += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** Resolves with the exit code, or the signal that ended it. */
  async ended(): Promise<number | NodeJS.Signals> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, "close");
    return this.child.exitCode ?? (this.child.signalCode as NodeJS.Signals);
  }

  /** Resolves when standard error has the text. */
  async says(text: string, timeoutMs = 40_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!this.stderr.includes(text)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null || Date.now() > deadline) {
        throw new Error(`"${text}" was not said; this was:\n${this.stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGTERM");
    await this.ended();
    if (!this.#args.includes("up")) return;
    const at = this.#args.indexOf("--name");
    await runAmbientctl(["local", "down", ...(at < 0 ? [] : this.#args.slice(at, at + 2))], this.#options);
  }
}

/** Runs `ambientctl` to its end. */
export async function runAmbientctl(
  args: readonly string[],
  options: CommandOptions,
): Promise<{ readonly code: number | NodeJS.Signals; readonly stdout: string; readonly stderr: string }> {
  const command = new AmbientctlCommand(args, options);
  const code = await command.ended();
  return { code, stdout: command.stdout, stderr: command.stderr };
}

/** A place for run directories, removed at the end. */
export class RunRoot implements Disposable {
  readonly #parent = mkdtempSync(join(tmpdir(), "cli-run-"));
  readonly path: string = join(this.#parent, "run");

  [Symbol.dispose](): void {
    rmSync(this.#parent, { recursive: true, force: true });
  }
}
