// SPDX-License-Identifier: Apache-2.0
// What a ztunnel answers to peers of all kinds. Needs root: `npx vitest run --project netns packages/ztunnel`.
import { randomBytes } from "node:crypto";
import { connect as tlsConnect } from "node:tls";
import { clientTlsOptions } from "@ambientmesh/spiffe";
import { NAME_TAG, canUseNetns, createTestAuthority, deviantCertificate } from "@ambientmesh/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { gatewayAt } from "../fixtures.ts";
import { hostnameOf, idOf, readAll, startMesh, type Mesh, type Node } from "../testbed/mesh.ts";
import { Peer, ask, peerAs } from "../testbed/peer.ts";

describe.runIf(canUseNetns(process.env))("a ztunnel's peers", () => {
  let mesh: Mesh;
  let node: Node;
  let peer: Peer;
  const address = (pod: string): string => mesh.pod(pod).address;

  beforeAll(async () => {
    mesh = await startMesh({ nodes: { n1: ["server", "waypoint", "sandwiched", "client"], n2: ["plain-peer"] } });
    node = mesh.node("n1");
    await mesh.echo("server");
    await mesh.echo("server", 9000);
    await mesh.echo("waypoint", 80);
    peer = await peerAs(mesh, "caller");
    mesh.publishService("web", "10.99.0.1");
    mesh.publishService("named", "10.99.0.2", { ports: [{ servicePort: 80, targetPort: 0 }] });
    mesh.publishService("guarded", "10.99.0.3", { waypoint: gatewayAt(address("waypoint")) });
    mesh.publishService("sneaky", "10.99.0.4", { ports: [{ servicePort: 80, targetPort: 15_008 }] });
    mesh.publishPod("sandwiched", { applicationTunnel: { protocol: 1, port: 15_088 } });
    mesh.publishPod("server", {
      services: { [`default/${hostnameOf("named")}`]: { ports: [{ servicePort: 80, targetPort: 9000 }] } },
    });
    await mesh.settle();
  });
  afterAll(async () => {
    peer?.[Symbol.dispose]();
    await mesh?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    node.records.length = 0;
  });

  const lastRefusal = (): unknown => node.access("connection failed").at(-1);

  it.each([
    ["the pod by address", (): string => `${address("server")}:8080`],
    ["a service by hostname", (): string => `${hostnameOf("web")}:80`],
    ["a service by hostname with a named port", (): string => `${hostnameOf("named")}:80`],
  ])("are served when they ask for %s", async (_name, authority) => {
    const outcome = await peer.connect("server", authority());
    expect(outcome).toMatchObject({ kind: "open", status: 200 });
    expect(outcome.headers).toEqual({
      baggage:
        "k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.pod.name=server,service.name=server,service.version=v1",
    });
    const tunnel = outcome.kind === "open" ? outcome.tunnel : undefined;
    tunnel?.end("hi");
    expect(Buffer.concat((await tunnel?.toArray()) as Buffer[]).toString()).toBe("hihi");
    await expect
      .poll(() => node.access().at(-1))
      .toMatchObject({ "src.identity": idOf("caller"), "dst.hbone_addr": authority() });
  });

  it("are served by a waypoint for what it stands in front of", async () => {
    expect(await peer.connect("waypoint", "10.99.0.3:80")).toMatchObject({ status: 200 });
  });

  it("are announced to a waypoint that wants it, on its loopback", async () => {
    const headers: Buffer[] = [];
    await mesh.serve("sandwiched", 15_088, (socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", (chunk: Buffer) => {
        headers.push(chunk);
        socket.end(`${socket.remoteAddress?.replace("::ffff:", "")}`);
      });
    });
    const outcome = await peer.connect("sandwiched", `${hostnameOf("web")}:80`);
    const tunnel = outcome.kind === "open" ? outcome.tunnel : undefined;
    expect(Buffer.concat((await tunnel?.toArray()) as Buffer[]).toString()).toBe("127.0.0.1");
    const [header = Buffer.alloc(0)] = headers;
    expect(header.subarray(0, 14).toString("hex")).toBe("0d0a0d0a000d0a515549540a2111");
    expect(header.subarray(16, 20).join(".")).toBe(address("plain-peer"));
    expect([header.subarray(20, 24).join("."), header.readUInt16BE(26)]).toEqual(["10.99.0.1", 80]);
    expect(header.includes(idOf("caller"))).toBe(true);
    expect(header.includes(hostnameOf("web"))).toBe(true);
  });

  it.each([
    [
      "another pod's address",
      (): string => `${address("client")}:8080`,
      400,
      "IP_MISMATCH",
      (): string => `ip mismatch: ${address("server")} != ${address("client")}`,
    ],
    ["no port", (): string => "10.0.0.1", 400, "AUTHORITY_INVALID", (): string => 'invalid authority: "10.0.0.1"'],
    ["nonsense", (): string => "<a>:x", 400, "AUTHORITY_INVALID", (): string => 'invalid authority: "<a>:x"'],
    [
      "an unknown host",
      (): string => "gone.example:80",
      503,
      "SERVICE_UNKNOWN",
      (): string => "no service for hostname: gone.example",
    ],
    [
      "an unknown port of a host",
      (): string => `${hostnameOf("web")}:81`,
      503,
      "PORT_UNKNOWN",
      (): string => `no port for service: ${hostnameOf("web")}:81`,
    ],
    [
      "a port of the proxy",
      (): string => `${address("server")}:15008`,
      503,
      "PORT_ILLEGAL",
      (): string => "illegal port: 15008 belongs to the proxy",
    ],
    [
      "a port of the proxy by name",
      (): string => `${hostnameOf("sneaky")}:80`,
      503,
      "PORT_ILLEGAL",
      (): string => "illegal port: 15008 belongs to the proxy",
    ],
  ] as const)("that ask for %s are refused", async (...[, authority, status, reason, error]) => {
    const outcome = await peer.connect("server", authority());
    expect(outcome).toEqual({ kind: "refused", status, headers: {} });
    await expect
      .poll(lastRefusal)
      .toMatchObject({ reason, error: error(), direction: "inbound", "dst.addr": `${address("server")}:15008` });
    expect(
      await node.metric("ambientmesh_connections_ended_total", { reason, reporter: "destination" }),
    ).toBeGreaterThan(0);
  });

  it("that ask for a port where nobody listens get 503, counted as a failed connection", async () => {
    expect(await peer.connect("server", `${address("server")}:7777`)).toMatchObject({ kind: "refused", status: 503 });
    await expect.poll(() => node.access().at(-1)).toMatchObject({ reason: "CONNECT_FAILED" });
  });

  it.each(["GET", "POST"])("that send %s get 400", async (method) => {
    expect(await peer.request("server", method)).toBe(400);
  });

  it("are named by their baggage where nothing is known of their address, and by it otherwise", async () => {
    mesh.control.addresses.delete("Kubernetes//Pod/default/plain-peer");
    await mesh.settle();
    const headers = { baggage: "k8s.namespace.name=far,k8s.deployment.name=guest", forwarded: 'for="1.2.3.4:5"' };
    const authority = `${address("server")}:8080`;
    const first = await peer.connect("server", authority, headers);
    if (first.kind === "open") first.tunnel.end().resume();
    await expect
      .poll(() => node.access().at(-1))
      .toMatchObject({ "src.namespace": "far", "src.identity": idOf("caller") });
    expect(
      await node.metric("istio_tcp_connections_opened_total", {
        source_workload: "guest",
        source_workload_namespace: "far",
      }),
    ).toBe(1);
    mesh.publishPod("plain-peer");
    await mesh.settle();
    const second = await peer.connect("server", authority, headers);
    if (second.kind === "open") second.tunnel.end().resume();
    await expect
      .poll(() => node.access().at(-1))
      .toMatchObject({ "src.workload": "plain-peer", "src.namespace": "default" });
    const third = await peer.connect("server", authority, { ...headers, "x-forwarded-network": "elsewhere" });
    if (third.kind === "open") third.tunnel.end().resume();
    await expect.poll(() => node.access()).toHaveLength(3);
    expect(node.access().at(-1)).toMatchObject({ "src.namespace": "far" });
  });

  it.each([
    ["a traceparent of 55 characters without dashes", { traceparent: "a".repeat(55) }],
    ["strange baggage and forwarded", { baggage: ",=,%%==,k8s.", forwarded: 'host="' }],
  ])("with %s lose nothing by it", async (_name, headers) => {
    const connection = await peer.tunnelTo("server");
    const authority = `${address("server")}:8080`;
    for (let call = 0; call < 3; call++)
      expect(await ask(connection, authority, headers)).toMatchObject({ status: 200 });
  });

  describe("without the right certificate", () => {
    it("are turned away: another trust domain", async () => {
      const authority = await createTestAuthority({
        trustDomain: "elsewhere.example",
        material: mesh.control.authority.authority.material,
      });
      const svid = await authority.svid("spiffe://elsewhere.example/ns/default/sa/caller");
      using stranger = new Peer(mesh, "plain-peer", svid);
      await expect(stranger.connect("server", `${address("server")}:8080`)).rejects.toThrow("spiffe://");
      await expect
        .poll(lastRefusal)
        .toMatchObject({ reason: "TLS_FAILED", error: expect.stringContaining("elsewhere.example") });
    });

    it("are turned away: an unknown authority", async () => {
      const svid = await (await createTestAuthority()).svid(idOf("caller"));
      const options = clientTlsOptions(svid, { expectedIds: [] });
      const tls = tlsConnect({ ...options, socket: await peer.dial("server"), rejectUnauthorized: false });
      tls.on("error", () => tls.destroy());
      expect(await readAll(tls)).toBe("");
      await expect.poll(lastRefusal).toMatchObject({ reason: "TLS_FAILED" });
    });

    it.each([
      ["expired", -20_000, -10_000],
      ["not valid yet", 600_000, 900_000],
    ])("are turned away: %s", async (_name, fromMs, toMs) => {
      const { key, cert } = await deviantCertificate(mesh.control.authority.authority.material, {
        names: [[NAME_TAG.URI, idOf("caller")]],
        notBeforeMs: Date.now() + fromMs,
        notAfterMs: Date.now() + toMs,
      });
      const socket = await peer.dial("server");
      const tls = tlsConnect({ socket, key, cert, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
      tls.on("error", () => tls.destroy());
      expect(await readAll(tls)).toBe("");
      await expect
        .poll(lastRefusal)
        .toMatchObject({ reason: "TLS_FAILED", error: expect.stringMatching(/CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/) });
    });

    it("are turned away: none", async () => {
      const raw = await peer.dial("server");
      const tls = tlsConnect({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
      tls.on("error", () => tls.destroy());
      expect(await readAll(tls)).toBe("");
      await expect.poll(lastRefusal).toMatchObject({ reason: "TLS_FAILED" });
    });
  });

  it("that send garbage, before and after the handshake, harm nobody", async () => {
    const good = await peer.connect("server", `${address("server")}:8080`);
    const raw = await peer.dial("server");
    raw.write(randomBytes(4096));
    expect(await readAll(raw)).toHaveLength(0);
    const socket = await peer.dial("server");
    const tls = tlsConnect({ ...clientTlsOptions(peer.svid, { expectedIds: [idOf("server")] }), socket });
    tls.on("error", () => tls.destroy());
    tls.write(randomBytes(4096));
    await readAll(tls);
    const tunnel = good.kind === "open" ? good.tunnel : undefined;
    tunnel?.end("still");
    expect(Buffer.concat((await tunnel?.toArray()) as Buffer[]).toString()).toBe("stillstill");
  });

  describe("that call the proxy's own ports", () => {
    const ports = [15_000, 15_001, 15_006, 15_008, 15_020, 15_021, 15_080];
    it.each(
      ["client", "plain-peer"].flatMap((from) =>
        ["server", "own", "localhost"].flatMap((to) => ports.map((port) => ({ from, to, port }))),
      ),
    )("$from to $to port $port get no data", async ({ from, to, port }) => {
      const host = to === "localhost" ? "127.0.0.1" : address(to === "own" ? from : to);
      // Refused at once, or accepted and then dropped.
      const answer = await mesh.request(from, host, port, "GET / HTTP/1.1\r\n\r\n").catch((): string => "");
      expect(answer).toBe("");
    });
  });
});
