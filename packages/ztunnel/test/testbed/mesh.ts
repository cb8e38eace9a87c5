// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceSchema, WorkloadSchema } from "@ambientmesh/api/workload";
import { connectTcp, listenTcp } from "@ambientmesh/linux";
import { createMetrics, type LogRecord, type MetricsRegistry } from "@ambientmesh/telemetry";
import { buildNetwork, type TestNetwork, type TestPod } from "@ambientmesh/testkit";
import { vi } from "vitest";
import { parseConfig, startZtunnel, type Ztunnel } from "../../src/index.ts";
import { ipToBytes } from "../../src/net/address.ts";
import { Agent } from "./agent.ts";
import { ControlPlane, TOKEN } from "./control-plane.ts";
import { redirect } from "./redirection.ts";

export interface MeshSpec {
  /** Pods by node; those whose name begins with "plain" are outside the mesh. */
  readonly nodes: Readonly<Record<string, readonly string[]>>;
  /** Further settings of every ztunnel. */
  readonly env?: Readonly<Record<string, string>>;
  readonly trustDomain?: string;
  /** Also takes over DNS questions; the proxies read their name servers from this file. */
  readonly resolvConfPath?: string;
}

/** One node's proxy with what it says. */
export class Node {
  readonly agent: Agent;
  readonly metrics: MetricsRegistry = createMetrics();
  readonly records: LogRecord[] = [];
  ztunnel: Ztunnel | undefined;

  constructor(agent: Agent) {
    this.agent = agent;
  }

  /** Fields of the lines of the access log with this message, as plain values. */
  access(message = "connection complete"): Readonly<Record<string, unknown>>[] {
    return this.records
      .filter((record) => record.scope === "access" && record.message === message)
      .map(({ fields }) =>
        Object.fromEntries(
          fields
            .filter(([, value]) => value !== undefined)
            .map(([name, value]) => [name, JSON.parse(JSON.stringify(value))]),
        ),
      );
  }

  /** Values of a counter family, summed over all series whose labels match. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await this.metrics.render("prometheus");
    return text
      .split("\n")
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
  }

  /** The text of config_dump. */
  async dump(): Promise<string> {
    return (await this.get("/config_dump")).text();
  }

  async get(path: string, method = "GET"): Promise<Response> {
    const port = this.ztunnel?.servers.admin[0]?.port;
    return fetch(`http://127.0.0.1:${port}${path}`, { method });
  }
}

/** A mesh in network namespaces: a control plane, and for each node an agent and a ztunnel, all in this process. */
export class Mesh implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly control: ControlPlane;
  readonly #nodes = new Map<string, Node>();
  readonly #folder: string;
  readonly #spec: MeshSpec;
  readonly #servers: Server[] = [];
  #marks = 0;

  constructor(network: TestNetwork, control: ControlPlane, spec: MeshSpec) {
    this.network = network;
    this.control = control;
    this.#spec = spec;
    this.#folder = mkdtempSync(join(tmpdir(), "ztunnel-"));
  }

  node(name: string): Node {
    const node = this.#nodes.get(name);
    if (!node) throw new Error(`no node ${name}`);
    return node;
  }

  pod(name: string): TestPod {
    return this.network.pod(name);
  }

  /** Starts the proxy of a node and waits until it is ready. */
  async startNode(name: string): Promise<Node> {
    const socketPath = join(this.#folder, `${name}.sock`);
    const node = this.#nodes.get(name) ?? new Node(new Agent(socketPath));
    this.#nodes.set(name, node);
    const config = parseConfig({
      env: {
        XDS_ADDRESS: this.control.address,
        CA_ADDRESS: this.control.address,
        XDS_ROOT_CA: this.control.rootsPem,
        CA_ROOT_CA: this.control.rootsPem,
        AUTH_TOKEN: TOKEN,
        NODE_NAME: name,
        INPOD_UDS: socketPath,
        ISTIO_META_DNS_CAPTURE: String(this.#spec.resolvConfPath !== undefined),
        RUST_LOG: "debug",
        CONNECTION_TERMINATION_DEADLINE: "2s",
        ...this.#spec.env,
      },
      files: { exists: () => false, read: () => undefined },
      args: [],
    });
    for (const pod of this.network.node(name).pods) {
      if (!isPlain(pod.name))
        node.agent.pods.set(uidOf(pod.name), { uid: uidOf(pod.name), name: pod.name, netns: pod.netns });
    }
    const output = { write: (record: LogRecord) => node.records.push(record) > 0 };
    const { resolvConfPath = config.resolvConfPath } = this.#spec;
    const free = { ...config, resolvConfPath, adminPort: 0, statsPort: 0, readinessPort: 0 };
    node.ztunnel = await startZtunnel(free, { output, metrics: node.metrics });
    await vi.waitUntil(() => node.ztunnel?.readiness.pending.length === 0, { timeout: 10_000, interval: 20 });
    return node;
  }

  /** Publishes the workload of a pod. */
  publishPod(name: string, rest: Omit<MessageInitShape<typeof WorkloadSchema>, "$typeName"> = {}): void {
    const pod = this.pod(name);
    this.control.publishWorkload({
      name,
      namespace: "default",
      serviceAccount: name,
      node: pod.node,
      network: "",
      tunnelProtocol: isPlain(name) ? 0 : 1,
      workloadName: name,
      canonicalName: name,
      canonicalRevision: "v1",
      workloadType: 2,
      addresses: [ipToBytes(pod.address), ipToBytes(pod.address6)],
      ...rest,
      uid: workloadUid(name),
    });
  }

  publishService(
    name: string,
    vip: string,
    rest: Omit<MessageInitShape<typeof ServiceSchema>, "$typeName"> = {},
  ): void {
    this.control.publishService({
      name,
      addresses: [{ network: "", address: ipToBytes(vip) }],
      ports: [{ servicePort: 80, targetPort: 8080 }],
      ...rest,
      namespace: "default",
      hostname: hostnameOf(name),
    });
  }

  /** Waits until every proxy has all that was published. */
  async settle(): Promise<void> {
    const mark = `mark-${++this.#marks}`;
    this.control.publishWorkload({ uid: mark, name: mark });
    this.control.publishPolicy({ namespace: mark, name: mark, scope: 2 });
    for (const node of this.#nodes.values()) {
      await vi.waitUntil(async () => (await node.dump()).split(`"${mark}"`).length > 3, {
        timeout: 5000,
        interval: 10,
      });
    }
    this.control.addresses.delete(mark);
    this.control.policies.delete(`${mark}/${mark}`);
  }

  /** A server in a pod that writes twice what it reads, and says where its clients seem to come from. */
  async echo(podName: string, port = 8080): Promise<string[]> {
    const clients: string[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      clients.push(socket.remoteAddress?.replace("::ffff:", "") ?? "");
      socket.on("data", (chunk) => socket.write(Buffer.concat([chunk, chunk])));
      socket.on("end", () => socket.end());
      socket.on("error", () => socket.destroy());
    });
    await listenTcp(server, { netns: this.pod(podName).netns, address: "::", port });
    this.#servers.push(server);
    return clients;
  }

  /** Any server in a pod. */
  async serve(podName: string, port: number, onConnection: (socket: Socket) => void): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, onConnection);
    await listenTcp(server, { netns: this.pod(podName).netns, address: "::", port });
    this.#servers.push(server);
  }

  /** A connection from a pod's app. */
  async connect(podName: string, host: string, port: number): Promise<Socket> {
    const socket = await connectTcp({ netns: this.pod(podName).netns, host, port, timeoutMs: 5000 });
    socket.on("error", () => socket.destroy());
    return socket;
  }

  /** Sends a text from a pod and reads to the end. */
  async request(podName: string, host: string, port: number, text = "hello world"): Promise<string> {
    const socket = await this.connect(podName, host, port);
    socket.end(text);
    return readAll(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#nodes.values()].map(async ({ ztunnel, agent }) => {
        await agent[Symbol.asyncDispose]();
        await ztunnel?.stop();
      }),
    );
    for (const server of this.#servers) server.close();
    await this.control[Symbol.asyncDispose]();
    await this.network[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const isPlain = (name: string): boolean => name.startsWith("plain");
export const uidOf = (name: string): string => `uid-${name}`;
export const workloadUid = (name: string): string => `Kubernetes//Pod/default/${name}`;
export const hostnameOf = (service: string): string => `${service}.default.svc.cluster.local`;
export const idOf = (name: string, trustDomain = "cluster.local"): string =>
  `spiffe://${trustDomain}/ns/default/sa/${name}`;

/** Everything until the other side ends or breaks. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve) => {
    socket.once("close", resolve);
    socket.once("end", () => socket.destroy());
    socket.resume();
  });
  return Buffer.concat(chunks).toString();
}

/** The next bytes, as text; empty if the other side ended or broke. */
export async function readSome(socket: Socket): Promise<string> {
  if (socket.destroyed || socket.readableEnded) return "";
  const { promise, resolve } = Promise.withResolvers<string>();
  const onData = (chunk: Buffer): void => resolve(chunk.toString());
  const onGone = (): void => resolve("");
  socket.once("data", onData).once("end", onGone).once("close", onGone);
  const text = await promise;
  socket.off("data", onData).off("end", onGone).off("close", onGone);
  return text;
}

/** Builds the network, publishes all pods, starts all proxies. */
export async function startMesh(spec: MeshSpec): Promise<Mesh> {
  const nodes = Object.fromEntries(Object.entries(spec.nodes).map(([name, pods]) => [name, { pods }]));
  const network = await buildNetwork({ nodes });
  const mesh = new Mesh(network, await ControlPlane.start(spec.trustDomain), spec);
  try {
    for (const { name, netns } of network.pods) {
      mesh.publishPod(name, spec.trustDomain === undefined ? {} : { trustDomain: spec.trustDomain });
      if (!isPlain(name)) await redirect(netns, { hasDns: spec.resolvConfPath !== undefined });
    }
    for (const name of Object.keys(spec.nodes)) await mesh.startNode(name);
    return mesh;
  } catch (error) {
    await mesh[Symbol.asyncDispose]();
    throw error;
  }
}
