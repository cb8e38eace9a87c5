// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { NETNS_DIRECTORY, canonicalAddress, connectTcp, listenTcp, pidsInNetns } from "@ambientmesh/linux";
import { describe, expect, it } from "vitest";
import { buildNetwork, canUseNetns, type TestHost, type TestNetwork } from "../../src/netns/index.ts";

// Needs root, or `unshare -Urnm`. MESH_REQUIRE_ROOT=1 makes it fail instead of being skipped.
const hasNetns = canUseNetns(process.env);
const SOURCE = new URL("../../src/netns/index.ts", import.meta.url).href;

/** The address that `to` sees when `from` connects to it. */
async function seenFrom(from: TestHost, to: TestHost, host: string): Promise<string> {
  const seen: string[] = [];
  const server = createServer((socket) => {
    seen.push(canonicalAddress(socket.remoteAddress ?? ""));
    socket.end();
  });
  const { port } = await listenTcp(server, { netns: to.netns, address: "::", port: 0 });
  const client = await connectTcp({ netns: from.netns, host, port });
  await once(client.resume(), "end");
  client.destroy();
  server.close();
  await once(server, "close");
  return seen.join();
}

const twoNodes = (): Promise<TestNetwork> => buildNetwork({ nodes: { n1: { pods: ["a", "b"] }, n2: { pods: ["c"] } } });
const ownNames = (): string[] =>
  (existsSync(NETNS_DIRECTORY) ? readdirSync(NETNS_DIRECTORY) : []).filter((name) => name.startsWith("mesh-"));

describe.runIf(hasNetns)("buildNetwork", () => {
  it("connects all pods and nodes, with their own addresses, in both IP versions", async () => {
    await using net = await twoNodes();
    const [a, b, c, n1, n2] = [net.pod("a"), net.pod("b"), net.pod("c"), net.node("n1"), net.node("n2")];
    expect([a.address, b.address, c.address]).toEqual(["10.0.1.2", "10.0.1.3", "10.0.2.2"]);
    for (const [from, to] of [
      [a, b],
      [a, c],
      [c, a],
      [n1, n2],
    ] as const) {
      expect(await seenFrom(from, to, to.address)).toBe(from.address);
      expect(await seenFrom(from, to, to.address6)).toBe(from.address6);
    }
    expect(await seenFrom(n1, a, a.address)).toBe(a.gateway);
    expect(await seenFrom(a, n2, n2.address6)).toBe(a.address6);
  });

  it("is cut off from the machine it runs on", async () => {
    await using net = await twoNodes();
    const server = createServer();
    const { port } = await listenTcp(server, { address: "127.0.0.1", port: 0 });
    const { pods } = net;
    for (const { netns } of pods) {
      await expect(connectTcp({ netns, host: "127.0.0.1", port })).rejects.toThrow(/ECONNREFUSED/);
    }
    server.close();
  });

  it("runs programs where they are asked for", async () => {
    await using net = await twoNodes();
    const { stdout } = await net.exec("a", ["ip", "-brief", "address", "show", "dev", "eth0"]);
    expect(stdout).toContain("10.0.1.2/24");
    expect((await net.exec("n1", ["sh", "-c", "exit 3"])).exitCode).toBe(3);
    expect(() => net.exec("nobody", ["true"])).toThrow(/no node or pod "nobody"; it has n1, n2, a, b, c/);
    expect(() => net.pod("n1")).toThrow(/no pod "n1"/);
    expect(() => net.node("a")).toThrow(/no node "a"/);
  });

  it("records packets", async () => {
    await using net = await twoNodes();
    const bytes = await net.capture("n1", { filter: "tcp", device: "eth0" });
    const lines = await net.capture("n1", { format: "text", device: "eth0", filter: "tcp port 8080" });
    const server = createServer((socket) => socket.end("plainly readable"));
    await listenTcp(server, { netns: net.pod("c").netns, address: "::", port: 8080 });
    const client = await connectTcp({ netns: net.pod("a").netns, host: net.pod("c").address, port: 8080 });
    expect(Buffer.concat((await client.toArray()) as Buffer[]).toString()).toBe("plainly readable");
    client.destroy();
    server.close();
    expect((await bytes.stop()).includes("plainly readable")).toBe(true);
    expect((await lines.stop()).toString()).toMatch(/10\.0\.1\.2\.\d+ > 10\.0\.2\.2\.8080: Flags \[S\]/);
    await expect(net.capture("n1", { filter: "no such expression" })).rejects.toThrow(/tcpdump did not start: /);
  });

  it("takes its programs and names with it", async () => {
    const net = await buildNetwork({ nodes: { n1: { pods: ["a"] } }, isNamed: true });
    const names = ownNames();
    expect(names).toEqual(
      ["a", "n1", "wire"].map((name) => expect.stringMatching(`^mesh-${process.pid}-\\d+-${name}$`) as string),
    );
    const child = net.start("a", ["sleep", "600"], { stdio: "ignore" });
    await once(child, "spawn");
    expect(await pidsInNetns(net.pod("a").netns)).toEqual([child.pid]);
    await net[Symbol.asyncDispose]();
    expect(child.signalCode).toBe("SIGKILL");
    expect(ownNames()).toEqual([]);
  });

  it.each([
    ["exits", "process.exit(0)", 0, null],
    ["crashes", "throw new Error('crash')", 1, null],
    ["is killed", "process.kill(process.pid, 'SIGKILL')", null, "SIGKILL"],
  ])("leaves nothing behind when the process %s", async (_, end, exitCode, signal) => {
    const script = `
      import { buildNetwork } from ${JSON.stringify(SOURCE)};
      const net = await buildNetwork({ nodes: { n1: { pods: ["a"] } }, isNamed: true });
      const child = net.start("a", ["sleep", "600"], { stdio: "ignore" });
      child.once("spawn", () => { process.stdout.write(String(child.pid)); setImmediate(() => { ${end}; }); });`;
    const options = ["--conditions=@ambientmesh/source", "--input-type=module", "-e", script];
    const child = spawn(process.execPath, options, { cwd: "/", stdio: ["ignore", "pipe", "ignore"] });
    const [[output], ended] = await Promise.all([once(child.stdout, "data") as Promise<[Buffer]>, once(child, "exit")]);
    expect(ended).toEqual([exitCode, signal]);
    const pid = Number(output.toString());
    while (existsSync(`/proc/${pid}`)) await new Promise(setImmediate);
    // Nobody can clean up after SIGKILL but the next run.
    await using _next = await buildNetwork({ nodes: { n1: {} }, isNamed: true });
    expect(ownNames().filter((name) => name.startsWith(`mesh-${child.pid}-`))).toEqual([]);
  });

  it("leaves nothing open when it can't be built", async () => {
    const before = readdirSync("/proc/self/fd").length;
    const tooLong = { nodes: { n1: { pods: ["a/b"] } }, isNamed: true };
    await expect(buildNetwork(tooLong)).rejects.toThrow(/is no name for a network namespace/);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
    expect(ownNames()).toEqual([]);
  });
});

describe("a network's description", () => {
  it.each([
    [{ nodes: { n1: { pods: ["a", "a"] } } }, /the names a are used twice/],
    [{ nodes: { a: { pods: ["a"] } } }, /the names a are used twice/],
    [{ nodes: { wire: {} } }, /"wire" is the name/],
    [{ nodes: { n1: { pods: Array.from({ length: 251 }, (_, at) => `p${at}`) } } }, /more than 250/],
  ])("is checked first: %#", async (spec, message) => {
    await expect(buildNetwork(spec)).rejects.toThrow(message);
  });
});
