// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KubeClient } from "@ambientmesh/kube";
import { connectTcp, listenTcp } from "@ambientmesh/linux";
import { createMetrics, type LogRecord } from "@ambientmesh/telemetry";
import type { TestNetwork } from "@ambientmesh/testkit";
import { parseConfig, startZtunnel, type Ztunnel } from "@ambientmesh/ztunnel";
import { vi } from "vitest";
import { podToken, rootOf } from "../../packages/istiod/test/support/mesh.ts";
import { Agent } from "../../packages/ztunnel/test/testbed/agent.ts";
import { redirect } from "../../packages/ztunnel/test/testbed/redirection.ts";
import { SYSTEM, isPlain, ztunnelOf } from "./cluster.ts";

export interface ProxySpec {
  readonly network: TestNetwork;
  readonly client: KubeClient;
  /** Of the control plane. */
  readonly address: string;
  /** Socket of the CNI agent of every node; without one, pods are redirected and handed over here. */
  readonly zdsPath?: string;
}

/** Our ztunnel of a node, with what it says. */
export class Proxy {
  readonly #ztunnel: Ztunnel;
  readonly #records: readonly LogRecord[];

  constructor(ztunnel: Ztunnel, records: readonly LogRecord[]) {
    this.#ztunnel = ztunnel;
    this.#records = records;
  }

  /** Lines of the access log about connections that ended. */
  access(): readonly Readonly<Record<string, unknown>>[] {
    const lines = this.#records.filter(({ scope, message }) => scope === "access" && message === "connection complete");
    return lines.map(({ fields }) => JSON.parse(JSON.stringify(Object.fromEntries(fields))) as Record<string, unknown>);
  }

  /** The text of config_dump. */
  async dump(): Promise<string> {
    const port = this.#ztunnel.servers.admin[0]?.port;
    return (await fetch(`http://127.0.0.1:${port}/config_dump`)).text();
  }

  stop(): Promise<void> {
    return this.#ztunnel.stop();
  }
}

/** Our ztunnels, one for each node, with an agent that hands over the node's pods. */
export class Proxies implements AsyncDisposable {
  readonly #spec: ProxySpec;
  readonly #stack = new AsyncDisposableStack();
  readonly #proxies = new Map<string, Proxy>();

  constructor(spec: ProxySpec) {
    this.#spec = spec;
  }

  /** Starts them and waits until each has its state and pods. */
  static async start(spec: ProxySpec): Promise<Proxies> {
    const proxies = new Proxies(spec);
    try {
      const folder = await mkdtemp(join(tmpdir(), "istio-ztunnel-"));
      proxies.#stack.defer(() => rm(folder, { recursive: true }));
      for (const { name } of spec.network.nodes) {
        const path = spec.zdsPath ?? (await proxies.#handOver(name, folder));
        await proxies.#startNode(name, path);
      }
      return proxies;
    } catch (error) {
      await proxies[Symbol.asyncDispose]();
      throw error;
    }
  }

  node(name: string): Proxy {
    const proxy = this.#proxies.get(name);
    if (!proxy) throw new Error(`no proxy on ${name}`);
    return proxy;
  }

  /** Starts a new one and stops the old one once that serves, as an upgrade does. */
  async replace(name: string): Promise<void> {
    const old = this.node(name);
    if (this.#spec.zdsPath === undefined) throw new Error("there is no agent that hands pods over again");
    await this.#startNode(name, this.#spec.zdsPath);
    await old.stop();
  }

  /** A server in a pod that writes back what it reads. */
  async echo(pod: string, port: number): Promise<void> {
    const server = createServer((socket) => socket.on("error", () => socket.destroy()).pipe(socket));
    await listenTcp(server, { netns: this.#spec.network.pod(pod).netns, address: "::", port });
    this.#stack.defer(() => void server.close());
  }

  /** A connection from a pod's app. */
  async connect(pod: string, host: string, port: number): Promise<Socket> {
    const { netns } = this.#spec.network.pod(pod);
    const socket = await connectTcp({ netns, host, port, timeoutMs: 5000 });
    this.#stack.defer(() => void socket.destroy());
    return socket.on("error", () => socket.destroy());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  /** Does what a CNI agent does for the pods of a node, and says where it is. */
  async #handOver(node: string, folder: string): Promise<string> {
    const path = join(folder, `${node}.sock`);
    const agent = this.#stack.use(new Agent(path));
    for (const { name, netns } of this.#spec.network.node(node).pods) {
      if (isPlain(name)) continue;
      await redirect(netns);
      agent.pods.set(name, { uid: name, name, netns });
    }
    return path;
  }

  async #startNode(name: string, inpodUds: string): Promise<void> {
    const { network, client, address } = this.#spec;
    const self = { name: ztunnelOf(name), namespace: SYSTEM, account: "ztunnel" };
    const root = await rootOf(client, SYSTEM);
    const config = parseConfig({
      env: {
        XDS_ADDRESS: address,
        CA_ADDRESS: address,
        XDS_ROOT_CA: root,
        CA_ROOT_CA: root,
        ALT_XDS_HOSTNAME: `istiod.${SYSTEM}.svc`,
        ALT_CA_HOSTNAME: `istiod.${SYSTEM}.svc`,
        AUTH_TOKEN: await podToken(client, self),
        NODE_NAME: name,
        POD_NAME: self.name,
        POD_NAMESPACE: SYSTEM,
        SERVICE_ACCOUNT: "ztunnel",
        INSTANCE_IP: network.node(name).address,
        INPOD_UDS: inpodUds,
        RUST_LOG: "debug",
        CONNECTION_TERMINATION_DEADLINE: "2s",
      },
      files: { exists: () => false, read: () => undefined },
      args: [],
    });
    const free = { ...config, adminPort: 0, statsPort: 0, readinessPort: 0 };
    const records: LogRecord[] = [];
    const output = { write: (record: LogRecord) => records.push(record) > 0 };
    const ztunnel = await startZtunnel(free, { output, metrics: createMetrics() });
    const proxy = new Proxy(ztunnel, records);
    this.#stack.defer(() => proxy.stop());
    this.#proxies.set(name, proxy);
    await vi.waitUntil(() => ztunnel.readiness.pending.length === 0, { timeout: 20_000, interval: 20 });
  }
}
