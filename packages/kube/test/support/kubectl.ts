// SPDX-License-Identifier: Apache-2.0
import { execFile, execFileSync, spawn, type ChildProcessByStdio } from "node:child_process";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { LocalKube, LocalKubeOptions } from "../../src/local/index.ts";
import { listenLocal, testTls } from "./tls-local.ts";

/** True if there is a kubectl to test with. */
export const hasKubectl: boolean = isCallable();

function isCallable(): boolean {
  try {
    execFileSync("kubectl", ["version", "--client"], { stdio: "ignore" });
    return true;
  } catch {
    // Not installed, or not for this machine.
    return false;
  }
}

/** What a command did. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** kubectl against a local server of its own. */
export interface Kubectl extends AsyncDisposable {
  readonly server: LocalKube;
  /** Runs a command to its end, with `input` on standard input. */
  readonly run: (args: string, input?: string) => Promise<Outcome>;
  /** Starts a command that goes on; the caller ends it. */
  readonly start: (args: string) => ChildProcessByStdio<null, Readable, null> & Disposable;
}

/** Starts a local server with TLS and gives kubectl a configuration for it. */
export async function startKubectl(options: LocalKubeOptions = {}): Promise<Kubectl> {
  const local = await listenLocal(options);
  const home = await mkdtempDisposable(join(tmpdir(), "kubectl-"));
  const kubeconfig = join(home.path, "config");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "local",
    contexts: [{ name: "local", context: { cluster: "local", user: "admin" } }],
    clusters: [
      {
        name: "local",
        cluster: { server: local.url, "certificate-authority-data": Buffer.from(testTls.cert).toString("base64") },
      },
    ],
    users: [{ name: "admin", user: { token: local.server.adminToken } }],
  };
  await writeFile(kubeconfig, JSON.stringify(config));
  const env = { PATH: process.env["PATH"] ?? "", HOME: home.path, KUBECONFIG: kubeconfig };
  const words = (args: string): readonly string[] => args.split(" ").filter((word) => word !== "");
  return {
    server: local.server,
    run: (args, input = "") =>
      new Promise((resolve) => {
        const child = execFile("kubectl", [...words(args)], { env }, (error, stdout, stderr) => {
          resolve({ code: typeof error?.code === "number" ? error.code : error === null ? 0 : 1, stdout, stderr });
        });
        child.stdin?.end(input);
      }),
    start: (args) => {
      const child = spawn("kubectl", [...words(args)], { env, stdio: ["ignore", "pipe", "ignore"] });
      return Object.assign(child, { [Symbol.dispose]: () => void child.kill() });
    },
    async [Symbol.asyncDispose]() {
      await local[Symbol.asyncDispose]();
      await home.remove();
    },
  };
}
