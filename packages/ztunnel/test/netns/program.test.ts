// SPDX-License-Identifier: Apache-2.0
// The program itself, as a process in a node's namespace. Needs root: `npx vitest run --project netns packages/ztunnel`.
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectTcp, listenTcp } from "@ambientmesh/linux";
import { buildNetwork, canUseNetns, type TestNetwork } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ipToBytes } from "../../src/net/address.ts";
import { Agent } from "../testbed/agent.ts";
import { ControlPlane, TOKEN } from "../testbed/control-plane.ts";
import { uidOf } from "../testbed/mesh.ts";
import { redirect } from "../testbed/redirection.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");

describe.runIf(canUseNetns(process.env))("the program", () => {
  let network: TestNetwork;
  let control: ControlPlane;
  let agent: Agent;
  let forward: Server;
  const folder = mkdtempSync(join(tmpdir(), "ztunnel-program-"));
  const path = join(folder, "zds.sock");
  let env: Record<string, string>;

  beforeAll(async () => {
    network = await buildNetwork({ nodes: { n1: { pods: ["client", "server"] } } });
    control = await ControlPlane.start();
    // The control plane serves on the loopback of this process, so the node reaches it through a forwarder.
    const target = new URL(control.address);
    forward = createServer((socket) => {
      const upstream = connect(Number(target.port), "127.0.0.1");
      socket.pipe(upstream).pipe(socket);
      for (const [one, other] of [
        [socket, upstream],
        [upstream, socket],
      ] as const)
        one.on("error", () => other.destroy());
    });
    const { port } = await listenTcp(forward, { netns: network.node("n1").netns, address: "127.0.0.1", port: 0 });
    agent = new Agent(path);
    const workloads = [
      { name: "ztunnel", address: network.node("n1").address },
      ...network.pods.map(({ name, address }) => ({ name, address })),
    ];
    for (const { name, address } of workloads) {
      control.publishWorkload({
        uid: `Kubernetes//Pod/default/${name}`,
        name,
        namespace: "default",
        serviceAccount: name,
        node: "n1",
        tunnelProtocol: 1,
        addresses: [ipToBytes(address)],
      });
    }
    for (const { name, netns } of network.pods) {
      await redirect(netns);
      agent.pods.set(uidOf(name), { uid: uidOf(name), name, netns });
    }
    const rootPath = join(folder, "root.pem");
    const tokenPath = join(folder, "token");
    writeFileSync(rootPath, control.rootsPem);
    writeFileSync(tokenPath, `${TOKEN}\n`);
    env = {
      PATH: process.env["PATH"] ?? "",
      XDS_ADDRESS: `localhost:${port}`,
      CA_ADDRESS: `localhost:${port}`,
      XDS_ROOT_CA: rootPath,
      CA_ROOT_CA: rootPath,
      AUTH_TOKEN: tokenPath,
      NODE_NAME: "n1",
      INPOD_UDS: path,
      POD_NAME: "ztunnel",
      POD_NAMESPACE: "default",
      SERVICE_ACCOUNT: "ztunnel",
      LOG_FORMAT: "json",
      CONNECTION_TERMINATION_DEADLINE: "1s",
    };
  });
  afterAll(async () => {
    forward?.close();
    await network?.[Symbol.asyncDispose]();
    await agent?.[Symbol.asyncDispose]();
    await control?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Running {
    readonly child: ChildProcess;
    readonly output: () => string;
    readonly errors: () => string;
  }
  function start(
    args: readonly string[],
    overrides: Record<string, string> = {},
    limits: readonly [string, ...string[]] = ["env"],
  ): Running {
    const program: readonly [string, ...string[]] = [
      ...limits,
      process.execPath,
      "--conditions=@ambientmesh/source",
      MAIN,
      ...args,
    ];
    const child = network.start("n1", program, {
      env: { ...env, ...overrides },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [output, errors] = ["", ""];
    child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    return { child, output: () => output, errors: () => errors };
  }

  const curl = async (where: string, url: string, ...options: string[]): Promise<string> =>
    (await network.exec(where, ["curl", "-s", "--max-time", "5", ...options, url])).stdout;

  it("serves unmodified programs, tells operators, and stops when it is asked to", async () => {
    const { child, output } = start(["proxy", "ztunnel"]);
    await vi.waitUntil(async () => (await curl("n1", "http://127.0.0.1:15021/healthz/ready")) === "ready\n", {
      timeout: 20_000,
      interval: 100,
    });
    const server = network.start("server", ["python3", "-m", "http.server", "8000", "--directory", folder], {
      stdio: "ignore",
    });
    const { address } = network.pod("server");
    await expect
      .poll(() => curl("client", `http://${address}:8000/root.pem`), { timeout: 10_000 })
      .toBe(control.rootsPem);
    const dump = JSON.parse(await curl("n1", "http://127.0.0.1:15000/config_dump")) as Record<string, unknown>;
    expect(Object.keys(dump["workloadState"] as object)).toEqual(["uid-client", "uid-server"]);
    expect(dump["config"]).toMatchObject({ proxyArgs: "proxy ztunnel", localNode: "n1" });
    expect(JSON.stringify(dump)).not.toContain(TOKEN);

    // Its own metrics, read by a captured pod through a tunnel.
    const metrics = await curl("client", `http://${network.node("n1").address}:15020/metrics`);
    expect(metrics).toContain('istio_build{component="ztunnel"');
    await expect.poll(output).toMatch(/"dst\.hbone_addr":"172\.172\.0\.2:15020".*"dst\.workload":"ztunnel"/);

    server.kill();
    child.kill("SIGTERM");
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(0);
    const lines = output()
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({ scope: "ztunnel", message: "ztunnel starts" });
    expect(lines.at(-1)).toMatchObject({
      message: expect.any(String),
      level: expect.any(String),
      time: expect.any(String),
    });
    expect(lines.find(({ message }) => message === "ztunnel stops")).toMatchObject({ reason: "SIGTERM" });
    const access = lines.find((line) => line["scope"] === "access" && line["direction"] === "inbound");
    expect(access).toMatchObject({ message: "connection complete", "src.workload": "client" });
  });

  it("ends at once when it is interrupted twice, whatever is open", async () => {
    const { child, output } = start(["proxy"], { CONNECTION_TERMINATION_DEADLINE: "10m" });
    await vi.waitUntil(async () => (await curl("n1", "http://127.0.0.1:15021/healthz/ready")) === "ready\n", {
      timeout: 20_000,
      interval: 100,
    });
    const app = createServer((socket) => socket.pipe(socket));
    await listenTcp(app, { netns: network.pod("server").netns, address: "0.0.0.0", port: 8001 });
    const socket = await connectTcp({
      netns: network.pod("client").netns,
      host: network.pod("server").address,
      port: 8001,
    });
    socket.on("error", () => socket.destroy());
    socket.write("x");
    await once(socket, "data");
    child.kill("SIGINT");
    await expect.poll(output).toContain('"reason":"SIGINT"');
    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(0);
    socket.destroy();
    app.close();
  });

  it("refuses what it has no descriptors for, and serves again once there are some", async () => {
    const { child, output } = start(["proxy"], {}, ["prlimit", "--nofile=130:130"]);
    await vi.waitUntil(async () => (await curl("n1", "http://127.0.0.1:15021/healthz/ready")) === "ready\n", {
      timeout: 20_000,
      interval: 100,
    });
    const app = createServer((socket) => socket.on("error", () => socket.destroy()).pipe(socket));
    await listenTcp(app, { netns: network.pod("server").netns, address: "0.0.0.0", port: 8002 });
    const target = { netns: network.pod("client").netns, host: network.pod("server").address, port: 8002 };
    async function echo(): Promise<Socket | undefined> {
      const socket = await connectTcp(target).catch(() => undefined);
      socket?.on("error", () => socket.destroy());
      socket?.write("x");
      await new Promise(
        (resolve) => socket?.once("data", resolve).once("end", resolve).once("close", resolve) ?? resolve(0),
      );
      if (socket?.bytesRead === 1) return socket;
      socket?.destroy();
      return undefined;
    }
    const all = await Promise.all(Array.from({ length: 150 }, echo));
    const served = all.filter((socket) => socket !== undefined);
    expect(served.length).toBeGreaterThan(5);
    expect(served.length).toBeLessThan(140);
    for (const socket of served) socket.resetAndDestroy();
    await expect.poll(echo, { timeout: 10_000 }).toBeDefined();
    app.close();
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(output()).not.toContain("unexpected");
  });

  it.each([
    [
      "a wrong setting",
      { PROXY_MODE: "dedicated" },
      /^ztunnel can't start: PROXY_WORKLOAD_INFO="" is not namespace\/name\/service-account/,
    ],
    ["a wrong log filter", { RUST_LOG: "loud" }, /^ztunnel: log filter "loud" names "loud"/],
  ])("ends with one clear line for %s", async (_name, overrides, expected) => {
    const { child, errors } = start(["proxy"], overrides);
    const [code] = (await once(child, "exit")) as [number];
    expect(code).toBe(1);
    expect(errors()).toMatch(expected);
    expect(errors().trim().split("\n")).toHaveLength(1);
  });

  it("ends with one clear line for a port that is taken", async () => {
    const squatter = createServer();
    await listenTcp(squatter, {
      netns: network.node("n1").netns,
      address: "127.0.0.1",
      port: 15_000,
      reusePort: false,
    });
    const { child, errors } = start(["proxy"]);
    const [code] = (await once(child, "exit")) as [number];
    squatter.close();
    expect(code).toBe(1);
    expect(errors()).toMatch(/^ztunnel: can't serve on 127\.0\.0\.1 port 15000: .*EADDRINUSE.*\n$/);
  });

  it.each([
    [["version"], 0, /^ztunnel \d+\.\d+\.\d+ /],
    [["help"], 0, /^usage: ztunnel/],
    [["fly"], 1, /^usage: ztunnel/],
  ] as const)("answers %j", async (args, expectedCode, expected) => {
    const { child, output } = start(args);
    const [code] = (await once(child, "close")) as [number];
    expect([code, output()]).toEqual([expectedCode, expect.stringMatching(expected)]);
  });
});
