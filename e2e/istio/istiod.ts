// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { SYSTEM } from "./cluster.ts";

/** What Istio's istiod says of one kind of resource that it sent. */
interface ResourceStatus {
  readonly sent?: string;
  readonly acked?: string;
  readonly lastError?: string;
}

/** What Istio's istiod says of one client. */
export interface SyncStatus {
  readonly proxy: string;
  readonly proxy_type: string;
  readonly resources: Readonly<Record<string, ResourceStatus>>;
}

/** Istio's control plane, as a process on loopback. */
export interface IstioIstiod extends AsyncDisposable {
  /** Where xDS and CA are served over TLS, for the name `istiod.istio-system.svc`. */
  readonly address: string;
  /** Port of the same in plain text. */
  readonly plaintextPort: number;
  /** A debug page as JSON. */
  debug(page: string): Promise<unknown>;
  /** All clients that follow it. */
  clients(): Promise<readonly SyncStatus[]>;
  /** Samples of its metrics whose names begin so. */
  metrics(prefix: string): Promise<readonly string[]>;
  log(): Promise<string>;
}

/** Free ports of loopback, all different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

/** Starts it, with further settings, and waits until it is ready. */
export async function startIstioIstiod(
  program: string,
  kubeconfig: string,
  env: Readonly<Record<string, string>> = {},
): Promise<IstioIstiod> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "istio-istiod-"));
  stack.defer(() => rm(folder, { recursive: true, maxRetries: 5 }));
  const [http = 0, grpc = 0, secure = 0, monitoring = 0, webhook = 0] = await freePorts(5);
  const meshConfig = join(folder, "mesh.yaml");
  await mkdir(join(folder, "work"));
  await writeFile(meshConfig, `trustDomain: cluster.local\nrootNamespace: ${SYSTEM}\n`);
  const log = join(folder, "log");
  const file = await open(log, "w");
  const child = spawn(
    program,
    [
      "discovery",
      `--kubeconfig=${kubeconfig}`,
      `--meshConfig=${meshConfig}`,
      `--httpAddr=127.0.0.1:${http}`,
      `--grpcAddr=127.0.0.1:${grpc}`,
      `--secureGRPCAddr=127.0.0.1:${secure}`,
      `--monitoringAddr=127.0.0.1:${monitoring}`,
      `--httpsAddr=127.0.0.1:${webhook}`,
      "--ctrlz_port=0",
      "--shutdownDuration=1s",
    ],
    {
      cwd: join(folder, "work"),
      stdio: ["ignore", file.fd, file.fd],
      env: {
        PATH: process.env["PATH"],
        POD_NAMESPACE: SYSTEM,
        POD_NAME: "istiod-1",
        PILOT_ENABLE_AMBIENT: "true",
        CA_TRUSTED_NODE_ACCOUNTS: `${SYSTEM}/ztunnel`,
        ...env,
      },
    },
  );
  await file.close();
  const exit = once(child, "exit");
  stack.defer(async () => {
    child.kill("SIGKILL");
    await exit;
  });
  const text = async (port: number, path: string): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.text();
  };
  await vi.waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`istiod ended: ${await readFile(log, "utf8")}`);
      await text(http, "/ready");
    },
    { timeout: 60_000, interval: 200 },
  );
  const owned = stack.move();
  const debug = async (page: string): Promise<unknown> => JSON.parse(await text(monitoring, `/debug/${page}`));
  return {
    address: `https://localhost:${secure}`,
    plaintextPort: grpc,
    debug,
    clients: async () => (await debug("syncz")) as readonly SyncStatus[],
    metrics: async (prefix) =>
      (await text(monitoring, "/metrics")).split("\n").filter((line) => line.startsWith(prefix)),
    log: () => readFile(log, "utf8"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
