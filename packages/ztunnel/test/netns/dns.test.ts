// SPDX-License-Identifier: Apache-2.0
// DNS questions of pods, over real redirection. Needs root: `npx vitest run --project netns packages/ztunnel/test/netns/dns.test.ts`.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bindUdp } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it, test } from "vitest";
import { frame, FrameSplitter } from "../../src/dns/frames.ts";
import { ipToBytes } from "../../src/net/address.ts";
import { decodeMessage, questionFor, type QuestionOptions } from "../dns/messages.ts";
import { partOf } from "../fixtures.ts";
import { startMesh, type Mesh, type Node } from "../testbed/mesh.ts";
import { startNameServer, type NameServer } from "../testbed/name-server.ts";

/** Where pods think that their name server is; nobody is there. */
const CLUSTER_DNS = "10.99.0.10";
const CLUSTER_DNS_6 = "fd00:99::10";

describe.runIf(canUseNetns(process.env))("the DNS proxy of a pod", () => {
  const folder = mkdtempSync(join(tmpdir(), "ztunnel-dns-"));
  const resolvConfPath = join(folder, "resolv.conf");
  let mesh: Mesh;
  let node: Node;
  let upstream: NameServer;

  beforeAll(async () => {
    mesh = await startMesh({ nodes: { n1: ["client", "server", "plain-dns"] }, resolvConfPath });
    node = mesh.node("n1");
    writeFileSync(resolvConfPath, `nameserver 10.99.0.53\nnameserver ${mesh.pod("plain-dns").address}\n`);
    upstream = await startNameServer(mesh.pod("plain-dns").netns, (message) => {
      const text = message.toString("latin1");
      if (text.includes("silent")) return [];
      if (text.includes("broken")) return "close";
      if (text.includes("zone"))
        return [1, 2, 3].map((part) => Buffer.concat([answered(message), Buffer.from([part])]));
      return [answered(message)];
    });
    mesh.publishService("web", "10.96.0.1");
    mesh.publishService("headless", "10.96.0.2", { addresses: [] });
    mesh.publishPod("server", { services: partOf("headless") });
    mesh.control.publishService({
      name: "many",
      namespace: "default",
      hostname: "many.example.com",
      addresses: Array.from({ length: 256 }, (_, at) => ({ network: "", address: ipToBytes(`10.97.0.${at}`) })),
    });
    await mesh.settle();
  });
  afterAll(async () => {
    await upstream?.[Symbol.asyncDispose]();
    await mesh?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  beforeEach(() => {
    upstream.udp.length = 0;
    upstream.tcp.length = 0;
  });

  /** The message as a name server sends it back: something that the proxy could not have made up. */
  function answered(message: Buffer): Buffer {
    const answer = Buffer.concat([message, Buffer.from("opaque")]);
    answer.writeUInt16BE(0x8583, 2);
    return answer;
  }

  async function askUdp(message: Buffer, server = CLUSTER_DNS): Promise<Buffer> {
    const address = server.includes(":") ? "::" : "0.0.0.0";
    const socket = await bindUdp({ netns: mesh.pod("client").netns, address, port: 0, reusePort: false });
    try {
      const { promise, resolve } = Promise.withResolvers<Buffer>();
      // Connected: an answer from any other address than the one that was asked would not arrive.
      socket.connect(53, server, () => socket.send(message));
      socket.on("message", resolve);
      return await promise;
    } finally {
      socket.close();
    }
  }

  async function askTcp(messages: readonly Buffer[], answers = messages.length): Promise<Buffer[]> {
    const socket: Socket = await mesh.connect("client", CLUSTER_DNS, 53);
    const { promise, resolve } = Promise.withResolvers<Buffer[]>();
    const received: Buffer[] = [];
    const frames = new FrameSplitter();
    socket.on("data", (chunk: Buffer) => {
      received.push(...frames.push(chunk));
      if (received.length >= answers) resolve(received);
    });
    socket.on("close", () => resolve(received));
    socket.resume();
    for (const message of messages) socket.write(frame(message));
    try {
      return await promise;
    } finally {
      socket.destroy();
    }
  }

  const ask = async (name: string, options: QuestionOptions = {}) =>
    decodeMessage(await askUdp(questionFor(name, options)));

  it("knows the mesh's services, over both versions of IP", async () => {
    const record = { name: "web.default.svc.cluster.local", type: "A", ttl: 30, data: "10.96.0.1" };
    expect(await ask("web.default.svc.cluster.local")).toMatchObject({
      flags: ["qr", "aa", "rd", "ra"],
      answers: [record],
    });
    const overIpv6 = await askUdp(questionFor("web.default.svc.cluster.local"), CLUSTER_DNS_6);
    expect(decodeMessage(overIpv6).answers).toEqual([record]);
    expect((await ask("headless.default.svc.cluster.local")).answers.map(({ data }) => data)).toEqual([
      mesh.pod("server").address,
    ]);
    expect(upstream.udp).toEqual([]);
  });

  it("has a complete answer over TCP where UDP has no room, and takes several questions at once", async () => {
    const cut = await ask("many.example.com", { udpBytes: 1232 });
    expect(cut.flags).toContain("tc");
    expect(cut.answers).toHaveLength(74);
    const all = await askTcp([questionFor("many.example.com", { id: 1 }), questionFor("web", { id: 2 })]);
    const decoded = all.map(decodeMessage).toSorted((a, b) => a.id - b.id);
    expect(decoded.map(({ answers }) => answers.length)).toEqual([256, 1]);
    expect(decoded.map(({ flags }) => flags.includes("tc"))).toEqual([false, false]);
  });

  test.each([
    ["a name that the mesh does not know", questionFor("www.example.org", { udpBytes: 1232 })],
    ["a service record of a service", questionFor("_http._tcp.web.default.svc.cluster.local", { type: "SRV" })],
    ["an update", questionFor("default.svc.cluster.local", { flags: 0x2800, type: "SOA" })],
    ["bytes that are hardly a message", Buffer.from("000100000000000000000000ffffff", "hex")],
  ])("passes on %s byte for byte, as the pod", async (_name, message) => {
    const from = mesh.pod("client").address;
    expect(await askUdp(message)).toEqual(answered(message));
    expect(upstream.udp).toEqual([{ message, from }]);
    expect(await askTcp([message])).toEqual([answered(message)]);
    expect(upstream.tcp).toEqual([{ message, from }]);
  });

  it("passes on as many messages over TCP as a name server answers with", async () => {
    const message = questionFor("zone.example.org", { type: "TXT" });
    expect(await askTcp([message], 3)).toEqual(
      [1, 2, 3].map((part) => Buffer.concat([answered(message), Buffer.from([part])])),
    );
  });

  it("says that it failed where no name server answers, or one hangs up", async () => {
    const failures = await node.metric("istio_dns_upstream_failures_total");
    expect((await ask("silent.example.org")).rcode).toBe(2);
    const [answer = Buffer.alloc(0)] = await askTcp([questionFor("broken.example.org", { id: 77 })]);
    expect(decodeMessage(answer)).toMatchObject({ id: 77, rcode: 2 });
    expect((await node.metric("istio_dns_upstream_failures_total")) - failures).toBe(2);
  });

  it("counts what it was asked", async () => {
    const labels = { request_protocol: "udp", source_canonical_service: "client" };
    const count = async (name: string, type: string): Promise<number> =>
      node.metric(name, { ...labels, request_query_type: type });
    const before = [
      await count("istio_dns_requests_total", "a"),
      await count("istio_dns_upstream_requests_total", "srv"),
    ];
    await ask("web");
    await askUdp(questionFor("_x._tcp.web", { type: "SRV" }));
    expect(await count("istio_dns_requests_total", "a")).toBe((before[0] ?? 0) + 1);
    expect(await count("istio_dns_upstream_requests_total", "srv")).toBe((before[1] ?? 0) + 1);
    expect(await node.metric("istio_dns_upstream_request_duration_seconds_count", labels)).toBeGreaterThan(0);
  });

  it("answers nobody who did not ask", async () => {
    const socket = await bindUdp({ netns: mesh.pod("client").netns, address: "127.0.0.1", port: 0, reusePort: false });
    try {
      const answers: Buffer[] = [];
      socket.on("message", (message) => answers.push(message));
      const send = (message: Buffer): void => socket.send(message, 15_053, "127.0.0.1");
      send(Buffer.alloc(3));
      send(questionFor("web", { flags: 0x8180 }));
      // Datagrams on loopback keep their order.
      send(questionFor("web", { id: 5 }));
      await expect.poll(() => answers.length).toBe(1);
      expect(decodeMessage(answers[0] ?? Buffer.alloc(0)).id).toBe(5);
    } finally {
      socket.close();
    }
  });
});
