// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const MAIN = join(import.meta.dirname, "..", "..", "src", "main.ts");
const FLAGS = ["httpAddr", "grpcAddr", "secureGRPCAddr"].map((name) => `--${name}=127.0.0.1:0`);

/** An istiod in a process of its own. */
export interface IstiodProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  /** "host:port" of plaintext xDS. */
  readonly grpc: string;
  /** URL of readiness, metrics and debug pages. */
  readonly http: string;
  /** Ends it at once, without a word to anybody. */
  kill(): Promise<void>;
}

/** Starts the program and waits until it says that it is ready. */
export async function startIstiodProcess(
  kubeconfig: string,
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Promise<IstiodProcess> {
  const args = ["discovery", `--kubeconfig=${kubeconfig}`, ...FLAGS, "--monitoringAddr=", "--httpsAddr=", ...flags];
  const child = spawn(process.execPath, ["--conditions=@ambientmesh/source", MAIN, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { PATH: process.env["PATH"], ...env },
  });
  const exit = once(child, "exit");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exit;
  };
  try {
    const { http, grpc } = await readyRecord(child);
    return {
      child,
      grpc: `127.0.0.1:${grpc.port}`,
      http: `http://127.0.0.1:${http.port}`,
      kill,
      [Symbol.asyncDispose]: kill,
    };
  } catch (error) {
    await kill();
    throw error;
  }
}

interface ReadyRecord {
  readonly http: { readonly port: number };
  readonly grpc: { readonly port: number };
}

/** Reads the log on after it, so that the program never waits for a reader. */
async function readyRecord(child: ChildProcess): Promise<ReadyRecord> {
  const ready = Promise.withResolvers<ReadyRecord>();
  if (!child.stdout) throw new Error("the program has no output");
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    const record = JSON.parse(line) as ReadyRecord & { readonly message: string };
    if (record.message === "istiod is ready") ready.resolve(record);
  });
  lines.on("close", () => ready.reject(new Error("the program ended before it was ready")));
  return ready.promise;
}
