// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectTcp, listenTcp } from "@ambientmesh/linux";
import { buildNetwork, type TestNetwork } from "@ambientmesh/testkit";
import { Agent } from "../../packages/ztunnel/test/testbed/agent.ts";
import { ControlPlane, TOKEN } from "../../packages/ztunnel/test/testbed/control-plane.ts";
import { redirect } from "../../packages/ztunnel/test/testbed/redirection.ts";
import { ipToBytes } from "../../packages/ztunnel/src/net/address.ts";

const MAIN = join(import.meta.dirname, "../../packages/ztunnel/src/main.ts");
const READY_WITHIN_MS = 60_000;
/** Pods of the ztunnels, each with ports of its own as in a cluster; used in turn. */
const PLACES = ["plain-zt0", "plain-zt1", "plain-zt2", "plain-zt3"] as const;

/** A ztunnel process in a pod of its own. */
export interface Proxy {
  readonly child: ChildProcess;
  readonly place: string;
  readonly ended: Promise<unknown>;
}

/** One node with a client, a server and any number of ztunnels that follow each other. */
export class UpgradeBed implements AsyncDisposable {
  readonly #network: TestNetwork;
  readonly #stack: AsyncDisposableStack;
  readonly #env: Readonly<Record<string, string>>;
  readonly #places = new Map<string, Promise<unknown>>();

  constructor(network: TestNetwork, stack: AsyncDisposableStack, env: Readonly<Record<string, string>>) {
    this.#network = network;
    this.#stack = stack;
    this.#env = env;
  }

  static async create(): Promise<UpgradeBed> {
    await using stack = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "upgrade-"));
    stack.defer(() => rmSync(folder, { recursive: true }));
    const network = stack.use(await buildNetwork({ nodes: { n1: { pods: ["client", "server", ...PLACES] } } }));
    const control = stack.use(await ControlPlane.start());
    const agent = stack.use(new Agent(join(folder, "zds.sock")));
    for (const name of ["client", "server"]) {
      const { netns, address } = network.pod(name);
      const workload = { name, namespace: "default", serviceAccount: name, node: "n1", tunnelProtocol: 1 } as const;
      control.publishWorkload({ ...workload, uid: `bench//Pod/default/${name}`, addresses: [ipToBytes(address)] });
      await redirect(netns);
      agent.pods.set(name, { uid: name, name, netns });
    }
    const root = join(folder, "root.pem");
    writeFileSync(root, control.rootsPem);
    const port = await forward(stack, network, Number(new URL(control.address).port));
    const address = `localhost:${port}`;
    return new UpgradeBed(network, stack.move(), {
      PATH: process.env["PATH"] ?? "",
      XDS_ADDRESS: address,
      CA_ADDRESS: address,
      XDS_ROOT_CA: root,
      CA_ROOT_CA: root,
      AUTH_TOKEN: TOKEN,
      NODE_NAME: "n1",
      INPOD_UDS: join(folder, "zds.sock"),
      RUST_LOG: "warn",
      CONNECTION_TERMINATION_DEADLINE: "2h",
    });
  }

  /** A server in the server pod that sends back what it gets. */
  async serve(port: number): Promise<void> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on("error", () => socket.destroy());
      socket.pipe(socket);
    });
    await listenTcp(server, { netns: this.#network.pod("server").netns, address: "0.0.0.0", port, backlog: 4096 });
    this.#stack.defer(() => void server.close());
  }

  open(port: number): ReturnType<typeof connectTcp> {
    const { netns } = this.#network.pod("client");
    return connectTcp({ netns, host: this.#network.pod("server").address, port });
  }

  /** Starts a ztunnel and resolves when it is ready. */
  async startProxy(): Promise<Proxy> {
    const place = PLACES.find((name) => !this.#places.has(name));
    if (place === undefined) throw new Error("all pods for ztunnels are taken: old ones do not end");
    const argv = [process.execPath, "--conditions=@ambientmesh/source", MAIN, "proxy"] as const;
    const child = this.#network.start(place, argv, { env: this.#env, stdio: ["ignore", "inherit", "inherit"] });
    this.#stack.defer(() => void child.kill("SIGKILL"));
    const ended = once(child, "exit").finally(() => this.#places.delete(place));
    this.#places.set(place, ended);
    const giveUpAtMs = performance.now() + READY_WITHIN_MS;
    const ask = ["curl", "-s", "http://127.0.0.1:15021/healthz/ready"] as const;
    while ((await this.#network.exec(place, ask)).stdout !== "ready\n") {
      if (performance.now() > giveUpAtMs) throw new Error("a ztunnel does not get ready");
      await sleep(100);
    }
    return { child, place, ended };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Lets the ztunnels' pods reach the control plane, which serves on the loopback of this process. */
async function forward(stack: AsyncDisposableStack, network: TestNetwork, target: number): Promise<number> {
  let port = 0;
  for (const place of PLACES) {
    const server = createServer((socket) => {
      const upstream = connect(target, "127.0.0.1");
      socket.on("error", () => upstream.destroy()).pipe(upstream);
      upstream.on("error", () => socket.destroy()).pipe(socket);
    });
    ({ port } = await listenTcp(server, { netns: network.pod(place).netns, address: "127.0.0.1", port }));
    stack.defer(() => void server.close());
  }
  return port;
}
