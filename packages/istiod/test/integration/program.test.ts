// SPDX-License-Identifier: Apache-2.0
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { createLocalKube, type LocalKube } from "@ambientmesh/kube/local";
import { connectKube } from "@ambientmesh/kube";
import { afterAll, beforeAll, expect, it, test } from "vitest";
import { ISTIO_DEFINITIONS } from "../support/istio-definitions.ts";
import { applyYaml, namespaceYaml } from "../support/mesh.ts";

const MAIN = join(import.meta.dirname, "..", "..", "src", "main.ts");
const PORTS = [
  "--httpAddr=127.0.0.1:0",
  "--grpcAddr=127.0.0.1:0",
  "--secureGRPCAddr=127.0.0.1:0",
  "--monitoringAddr=",
  "--httpsAddr=",
];

let server: LocalKube;
let folder: string;
let kubeconfig: string;

beforeAll(async () => {
  server = createLocalKube({}, { definitions: ISTIO_DEFINITIONS });
  await server.start();
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  using client = await connectKube({ kind: "in-process", connect: () => server.connect(), token: server.adminToken });
  await applyYaml(client, namespaceYaml("istio-system"));
  folder = await mkdtemp(join(tmpdir(), "istiod-test-"));
  kubeconfig = join(folder, "kubeconfig");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "local",
    contexts: [{ name: "local", context: { cluster: "local", user: "admin" } }],
    clusters: [{ name: "local", cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: "admin", user: { token: server.adminToken } }],
  };
  await writeFile(kubeconfig, JSON.stringify(config));
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  if (folder) await rm(folder, { recursive: true });
});

/** Runs the program; kills it at the end of the scope. */
function run(
  ...args: string[]
): Disposable & { readonly process: ChildProcess; ended(): Promise<unknown>; stderr(): Promise<string> } {
  const child = spawn(process.execPath, ["--conditions=@ambientmesh/source", MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] },
  });
  const exit = once(child, "exit");
  const errors = child.stderr ? text(child.stderr) : Promise.resolve("");
  return {
    process: child,
    ended: async () => (await exit)[0] as unknown,
    stderr: () => errors,
    [Symbol.dispose]: () => void child.kill("SIGKILL"),
  };
}

/** The first log record with this message. */
async function logged(child: ChildProcess, message: string): Promise<Record<string, unknown>> {
  if (!child.stdout) throw new Error("no output");
  for await (const line of createInterface({ input: child.stdout })) {
    const record = JSON.parse(line) as Record<string, unknown>;
    if (record["message"] === message) return record;
  }
  throw new Error(`never logged: ${message}`);
}

it("serves until SIGTERM and then ends with 0", async () => {
  using istiod = run("discovery", `--kubeconfig=${kubeconfig}`, ...PORTS, "--shutdownDuration=2s");
  const record = await logged(istiod.process, "istiod is ready");
  const { port } = record["http"] as { port: number };
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(metrics).toContain("process_resident_memory_bytes");
  istiod.process.kill("SIGTERM");
  expect(await istiod.ended()).toBe(0);
});

it("tells a busy port in one line", async () => {
  const busy = createServer();
  busy.listen(0, "127.0.0.1");
  await once(busy, "listening");
  const { port } = busy.address() as AddressInfo;
  using istiod = run("discovery", `--kubeconfig=${kubeconfig}`, ...PORTS, `--httpAddr=127.0.0.1:${port}`);
  expect(await istiod.ended()).toBe(1);
  expect(await istiod.stderr()).toMatch(
    new RegExp(`^istiod: can't serve on 127.0.0.1 port ${port}: .*EADDRINUSE.*\n$`),
  );
  busy.close();
});

test.each([
  [["discovery", "--kubeconfig=/nowhere"], 1, /^istiod: kubeconfig \/nowhere: .*ENOENT.*\n$/],
  [["discovery"], 1, /^istiod: no API server is configured: give --kubeconfig or set KUBECONFIG\n$/],
  [["discovery", "--frob=1"], 1, /^istiod can't start: --frob is no flag of istiod\n$/],
  [["version"], 0, /^$/],
] as const)("%j ends with %d", async (args, code, stderr) => {
  using istiod = run(...args);
  expect(await istiod.ended()).toBe(code);
  expect(await istiod.stderr()).toMatch(stderr);
});
