// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, mkdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KEYS } from "@ambientmesh/api";
import type { Event, Pod } from "@ambientmesh/api/kubernetes";
import { RESOURCES, connectKube, type KubeClient } from "@ambientmesh/kube";
import { createLocalKube, type LocalKube } from "@ambientmesh/kube/local";
import { createMetrics, type LogRecord, type MetricsRegistry } from "@ambientmesh/telemetry";
import { buildNetwork, type TestNetwork, type TestPod } from "@ambientmesh/testkit";
import { parseConfig, startAgent, type Agent } from "../../src/index.ts";
import { eventually } from "./eventually.ts";
import { FakeProc, podGroup } from "./fake-proc.ts";
import { FakeZtunnel, type FakeZtunnelOptions } from "./fake-ztunnel.ts";

export const NODE = "n1";

export interface BedPodOptions {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  /** Addresses in its status; default: those of its namespace. Empty: not started yet. */
  readonly addresses?: readonly string[];
  /** Whether there is a process in its namespace. Default true. */
  readonly hasProcess?: boolean;
}

/** A node of a test: an API server, network namespaces for pods, and what an agent and a proxy have on the machine. */
export class AgentBed implements AsyncDisposable {
  readonly net: TestNetwork;
  readonly kube: LocalKube;
  readonly client: KubeClient;
  readonly proc: FakeProc;
  readonly log: LogRecord[] = [];
  metrics: MetricsRegistry = createMetrics();
  readonly #directory: string;
  readonly #stack: AsyncDisposableStack;
  #agent: Agent | undefined;

  private constructor(
    parts: Pick<AgentBed, "client" | "kube" | "net" | "proc">,
    directory: string,
    stack: AsyncDisposableStack,
  ) {
    this.net = parts.net;
    this.kube = parts.kube;
    this.client = parts.client;
    this.proc = parts.proc;
    this.#directory = directory;
    this.#stack = stack;
  }

  static async create(pods: readonly string[] = ["a", "b"]): Promise<AgentBed> {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), "cni-"));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const net = stack.use(await buildNetwork({ nodes: { [NODE]: { pods } } }));
    const kube = stack.use(createLocalKube());
    await kube.start();
    const client = stack.use(
      await connectKube({ kind: "in-process", connect: () => kube.connect(), token: kube.adminToken }),
    );
    await client.create(RESOURCES.Namespace, { metadata: { name: "shop", labels: {} } });
    const proc = new FakeProc(join(directory, "proc"));
    await mkdir(proc.directory);
    await proc.add("/init.scope", net.node(NODE).netns, { pid: 1 });
    return new AgentBed({ net, kube, client, proc }, directory, stack.move());
  }

  get runDirectory(): string {
    return join(this.#directory, "run");
  }

  get pluginSocket(): string {
    return join(this.runDirectory, "pluginevent.sock");
  }

  get zdsSocket(): string {
    return join(this.#directory, "ztunnel.sock");
  }

  /** Starts the agent, as `install-cni` would with these settings. */
  async startAgent(env: Readonly<Record<string, string>> = {}): Promise<Agent> {
    const config = parseConfig({
      NODE_NAME: NODE,
      // Not used: the agent is given a client.
      KUBECONFIG: "/nowhere",
      AMBIENT_DNS_CAPTURE: "false",
      AMBIENT_UNENROL_ANNOUNCE_TIME: "50ms",
      AMBIENT_UNENROL_DRAIN_TIME: "20ms",
      CNI_AGENT_RUN_DIR: this.runDirectory,
      ZTUNNEL_UDS_ADDRESS: this.zdsSocket,
      HOST_PROC: this.proc.directory,
      INSTALL_CNI_PLUGIN: "false",
      READINESS_PORT: "0",
      MONITORING_PORT: "0",
      LOG_LEVEL: "debug",
      ...env,
    });
    this.metrics = createMetrics();
    const output = { write: (record: LogRecord) => this.log.push(record) > 0 };
    this.#agent = await startAgent(config, { output, client: this.client, metrics: this.metrics });
    return this.#agent;
  }

  async stopAgent(): Promise<void> {
    await this.#agent?.[Symbol.asyncDispose]();
    this.#agent = undefined;
  }

  /** A proxy that has got its snapshot; it ends with the bed. */
  async connectZtunnel(options: FakeZtunnelOptions = {}): Promise<FakeZtunnel> {
    const ztunnel = await FakeZtunnel.connect(this.zdsSocket, options);
    this.#stack.use(ztunnel);
    await ztunnel.whenSynced();
    return ztunnel;
  }

  /** Puts a pod into the API whose sandbox is a namespace of the network; returns its uid. */
  async createPod(name: string, options: BedPodOptions = {}): Promise<string> {
    const { namespace = "shop", labels = {}, annotations = {}, hostNetwork } = options;
    const sandbox = this.#sandboxOf(name);
    const pod = await this.client.create(RESOURCES.Pod, {
      metadata: { name, namespace, labels, annotations },
      spec: {
        nodeName: NODE,
        serviceAccountName: `${name}-account`,
        containers: [{ name: "app", image: "app" }],
        ...(hostNetwork !== undefined && { hostNetwork }),
      },
    });
    const uid = pod.metadata.uid ?? "";
    const addresses = options.addresses ?? (sandbox ? [sandbox.address, sandbox.address6] : []);
    await this.setAddresses(name, addresses, namespace);
    if (sandbox && options.hasProcess !== false) await this.proc.add(podGroup(uid), sandbox.netns);
    return uid;
  }

  async setAddresses(name: string, addresses: readonly string[], namespace = "shop"): Promise<void> {
    const podIPs = addresses.map((ip) => ({ ip }));
    const status = { phase: "Running", podIPs, ...(addresses[0] !== undefined && { podIP: addresses[0] }) };
    await this.client.mergePatch(RESOURCES.Pod, { name, namespace }, { status }, { subresource: "status" });
  }

  /** Labels the namespace `shop` so that its pods join the mesh, or takes the label away. */
  async labelNamespace(mode: "ambient" | null): Promise<void> {
    const patch = { metadata: { labels: { [KEYS.DATAPLANE_MODE]: mode } } };
    await this.client.mergePatch(RESOURCES.Namespace, { name: "shop" }, patch);
  }

  async annotationOf(name: string, namespace = "shop"): Promise<string | undefined> {
    const pod = await this.client.get(RESOURCES.Pod, { name, namespace });
    return pod.metadata.annotations?.[KEYS.REDIRECTION];
  }

  async whenAnnotated(name: string, value: string | undefined): Promise<void> {
    await eventually(`annotation ${value} of ${name}`, async () => (await this.annotationOf(name)) === value);
  }

  /** Warnings about a pod that users see. */
  async eventsOf(name: string): Promise<readonly Event[]> {
    const events = await this.client.list(RESOURCES.Event, { namespace: "shop" });
    return events.filter(({ involvedObject }) => involvedObject.name === name);
  }

  async pod(name: string): Promise<Pod> {
    return this.client.get(RESOURCES.Pod, { name, namespace: "shop" });
  }

  async metric(name: string): Promise<string | undefined> {
    const lines = (await this.metrics.render("prometheus")).split("\n");
    return lines
      .find((line) => line.startsWith(name))
      ?.split(" ")
      .at(-1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent();
    await this.#stack.disposeAsync();
  }

  #sandboxOf(name: string): TestPod | undefined {
    return this.net.pods.find((pod) => pod.name === name);
  }
}
