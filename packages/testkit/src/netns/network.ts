// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  NetworkPlan,
  runProgram,
  spawnIn,
  writeSysctl,
  type Netns,
  type RunOptions,
  type RunResult,
  type SpawnInOptions,
} from "@ambientmesh/linux";
import {
  MAX_PER_LEVEL,
  POD_PREFIX_LENGTHS,
  WIRE_PREFIX_LENGTHS,
  gatewayAddresses,
  nodeAddresses,
  podAddresses,
  podPrefixes,
  type DualStack,
} from "./addresses.ts";
import { startCapture, type Capture, type CaptureOptions } from "./capture.ts";
import { networkErrors } from "./errors.ts";
import { Namespaces } from "./namespaces.ts";

/** What to build. Names are unique in the whole network, nodes and pods together. */
export interface NetworkSpec {
  readonly nodes: Readonly<Record<string, { readonly pods?: readonly string[] }>>;
  /** Names under /run/netns ("mesh-PID-N-pod"), for programs that want paths there and for a look with ip-netns. Default false. */
  readonly isNamed?: boolean;
}

/** A namespace with an `eth0`. */
export interface TestHost {
  readonly name: string;
  readonly netns: Netns;
  readonly address: string;
  readonly address6: string;
}

/** A machine: its pods hang on its bridge `pods`, and `eth0` leads to the other nodes. */
export interface TestNode extends TestHost {
  readonly pods: readonly TestPod[];
}

export interface TestPod extends TestHost {
  /** Name of its node. */
  readonly node: string;
  /** The node's address on the pod network. */
  readonly gateway: string;
  readonly gateway6: string;
  /** The other end of its `eth0`, in the node's namespace. */
  readonly hostDevice: string;
}

type Command = readonly [string, ...string[]];

/** Nodes and pods made of network namespaces that reach each other over IPv4 and IPv6, and nothing else. */
export interface TestNetwork extends AsyncDisposable {
  readonly nodes: readonly TestNode[];
  readonly pods: readonly TestPod[];
  /** @throws MeshError TESTKIT_NETWORK_INVALID if there is no such node */
  node(name: string): TestNode;
  /** @throws MeshError TESTKIT_NETWORK_INVALID if there is no such pod */
  pod(name: string): TestPod;
  /** Runs a program on a node or in a pod to its end. A failing exit code is a result. */
  exec(where: string, command: Command, options?: Omit<RunOptions, "netns">): Promise<RunResult>;
  /** Starts a program there; it is killed with the network, or with this process. */
  start(where: string, command: Command, options?: Omit<SpawnInOptions, "netns">): ChildProcess;
  /** Records packets there. */
  capture(where: string, options?: CaptureOptions): Promise<Capture>;
}

/**
 * Builds a network.
 *
 * @example
 * await using net = await buildNetwork({ nodes: { n1: { pods: ["a", "b"] }, n2: { pods: ["c"] } } });
 * const { exitCode } = await net.exec("a", ["ping", "-c1", net.pod("c").address]);
 * @throws MeshError TESTKIT_NETWORK_INVALID; LINUX_… if the kernel or a tool refuses
 */
export async function buildNetwork(spec: NetworkSpec): Promise<TestNetwork> {
  checkSpec(spec);
  const namespaces = new Namespaces(spec.isNamed ?? false);
  try {
    const nodes = Object.entries(spec.nodes).map(([name, { pods = [] }], index) =>
      createNode({ name, pods, index: index + 1 }, namespaces),
    );
    await connect(nodes, namespaces.create("wire"));
    return new Network(nodes, namespaces);
  } catch (error) {
    namespaces[Symbol.dispose]();
    throw error;
  }
}

class Network implements TestNetwork {
  readonly nodes: readonly TestNode[];
  readonly pods: readonly TestPod[];
  readonly #namespaces: Namespaces;
  readonly #children = new Set<ChildProcess>();

  constructor(nodes: readonly TestNode[], namespaces: Namespaces) {
    this.nodes = nodes;
    this.pods = nodes.flatMap(({ pods }) => pods);
    this.#namespaces = namespaces;
  }

  node(name: string): TestNode {
    return find(this.nodes, name, "node");
  }

  pod(name: string): TestPod {
    return find(this.pods, name, "pod");
  }

  exec(where: string, command: Command, options: Omit<RunOptions, "netns"> = {}): Promise<RunResult> {
    return runProgram(command, { ...options, netns: this.#host(where).netns });
  }

  start(where: string, command: Command, options: Omit<SpawnInOptions, "netns"> = {}): ChildProcess {
    const child = spawnIn(command, { ...options, netns: this.#host(where).netns });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    return child;
  }

  capture(where: string, options?: CaptureOptions): Promise<Capture> {
    return startCapture(this.#host(where).netns, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = [...this.#children].map((child) => once(child, "exit"));
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(ended);
    this.#namespaces[Symbol.dispose]();
  }

  #host(name: string): TestHost {
    return find<TestHost>([...this.nodes, ...this.pods], name, "node or pod");
  }
}

interface NodeSpec {
  readonly name: string;
  readonly pods: readonly string[];
  readonly index: number;
}

function createNode({ name, pods, index }: NodeSpec, namespaces: Namespaces): TestNode {
  const own = nodeAddresses(index);
  const gateway = gatewayAddresses(index);
  return {
    name,
    netns: namespaces.create(name),
    address: own.v4,
    address6: own.v6,
    pods: pods.map((pod, at): TestPod => {
      const { v4, v6 } = podAddresses(index, at + 1);
      return {
        name: pod,
        node: name,
        netns: namespaces.create(pod),
        address: v4,
        address6: v6,
        gateway: gateway.v4,
        gateway6: gateway.v6,
        hostDevice: `veth${at + 1}`,
      };
    }),
  };
}

async function connect(nodes: readonly TestNode[], wire: Netns): Promise<void> {
  const plan = new NetworkPlan().loopback(wire).bridge({ netns: wire, name: "wire" });
  nodes.forEach((node, at) => {
    makeRouter(node.netns);
    const eth0 = {
      netns: node.netns,
      name: "eth0",
      addresses: withLengths(nodeAddresses(at + 1), WIRE_PREFIX_LENGTHS),
    };
    plan.loopback(node.netns).veth({ netns: wire, name: `node${at + 1}`, bridge: "wire" }, eth0);
    planPods(plan, node, gatewayAddresses(at + 1));
    nodes.forEach((other, otherAt) => {
      if (other === node) return;
      const { v4, v6 } = podPrefixes(otherAt + 1);
      plan.route(node.netns, { to: v4, via: other.address }).route(node.netns, { to: v6, via: other.address6 });
    });
  });
  await plan.apply();
}

function planPods(plan: NetworkPlan, { netns, pods }: TestNode, gateway: DualStack): void {
  plan.bridge({ netns, name: "pods", addresses: withLengths(gateway, POD_PREFIX_LENGTHS) });
  for (const pod of pods) {
    skipDuplicateDetection(pod.netns);
    const addresses = withLengths({ v4: pod.address, v6: pod.address6 }, POD_PREFIX_LENGTHS);
    plan
      .loopback(pod.netns)
      .veth({ netns, name: pod.hostDevice, bridge: "pods" }, { netns: pod.netns, name: "eth0", addresses })
      .route(pod.netns, { to: "default", via: pod.gateway })
      .route(pod.netns, { to: "default", via: pod.gateway6 });
  }
}

function makeRouter(netns: Netns): void {
  skipDuplicateDetection(netns);
  writeSysctl(netns, "net/ipv4/ip_forward", 1);
  writeSysctl(netns, "net/ipv6/conf/all/forwarding", 1);
  for (const scope of ["all", "default"]) writeSysctl(netns, `net/ipv4/conf/${scope}/rp_filter`, 0);
}

/** Until its link-local address is known to be unique, a second or two, a router forwards no IPv6. */
function skipDuplicateDetection(netns: Netns): void {
  for (const scope of ["all", "default"]) writeSysctl(netns, `net/ipv6/conf/${scope}/accept_dad`, 0);
}

function withLengths({ v4, v6 }: DualStack, lengths: { readonly v4: number; readonly v6: number }): string[] {
  return [`${v4}/${lengths.v4}`, `${v6}/${lengths.v6}`];
}

function find<T extends TestHost>(hosts: readonly T[], name: string, kind: string): T {
  const host = hosts.find((candidate) => candidate.name === name);
  if (host) return host;
  const known = hosts.map((candidate) => candidate.name).join(", ");
  throw networkErrors.create("TESTKIT_NETWORK_INVALID", `the network has no ${kind} "${name}"; it has ${known}`);
}

function checkSpec({ nodes }: NetworkSpec): void {
  const problems: string[] = [];
  const names = Object.entries(nodes).flatMap(([name, { pods = [] }]) => [name].concat(pods));
  const doubled = names.filter((name, at) => names.indexOf(name) !== at);
  if (doubled.length > 0) problems.push(`the names ${doubled.join(", ")} are used twice`);
  if (names.includes("wire")) problems.push('"wire" is the name of the network between the nodes');
  const sizes = [Object.keys(nodes).length, ...Object.values(nodes).map(({ pods = [] }) => pods.length)];
  if (Math.max(...sizes) > MAX_PER_LEVEL)
    problems.push(`there are more than ${MAX_PER_LEVEL} nodes, or pods of a node`);
  if (problems.length > 0) throw networkErrors.create("TESTKIT_NETWORK_INVALID", problems.join("; "));
}
