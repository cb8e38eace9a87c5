// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import type { ChildProcess } from "node:child_process";
import type { ExecResult, LocalMesh, MeshTarget } from "../local/mesh.ts";

const pod = (namespace: string, name: string): MeshTarget => ({ kind: "pod", namespace, name });

/** Those who send requests in `examples/bookshop`. */
export const CUSTOMER: MeshTarget = pod("bookshop", "customer");
export const AUDITOR: MeshTarget = pod("bookshop", "auditor");
/** Stands outside of the mesh. */
export const VISITOR: MeshTarget = pod("street", "visitor");

/** A path that nobody else asks for, to be looked for on the link. */
export function secretPath(): string {
  return `/order-${randomBytes(8).toString("hex")}`;
}

/** One request with curl; the code is curl's exit code. */
export function curl(mesh: LocalMesh, from: MeshTarget, url: string): Promise<ExecResult> {
  return mesh.exec(from, ["curl", "-sS", "--fail", "--max-time", "5", url]);
}

/** A curl that reads a response without end, counting its lines. */
export class OpenStream implements Disposable {
  readonly #child: ChildProcess;
  #lines = 0;

  constructor(mesh: LocalMesh, from: MeshTarget, url: string) {
    this.#child = mesh.spawn(from, ["curl", "-sS", "-N", url]);
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      for (const byte of chunk) if (byte === 0x0a) this.#lines++;
    });
    this.#child.stderr?.resume();
  }

  /** Lines received so far. */
  get lines(): number {
    return this.#lines;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** True until curl has ended, for which it takes the connection to end. */
  get isOpen(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves when more lines have come since the call; rejects when the stream ends or 10 s pass. */
  async flows(mesh: LocalMesh, what: string): Promise<void> {
    const before = this.#lines;
    await mesh.waitFor(`${what} to go on`, 10_000, async () => (this.#lines > before + 1 ? true : undefined));
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}
