// SPDX-License-Identifier: Apache-2.0
// Real traffic through real proxies in network namespaces. Needs root: `npx vitest run --project netns packages/ztunnel`.
import { createHash, randomBytes } from "node:crypto";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { gatewayAt, gatewayNamed, partOf } from "../fixtures.ts";
import { hostnameOf, idOf, readAll, readSome, startMesh, type Mesh, type Node } from "../testbed/mesh.ts";
import { startGateway } from "../testbed/gateway.ts";
import { startWaypoint, type Waypoint } from "../testbed/waypoint.ts";

const TEXT = "hello world";
const TWICE = "hello worldhello world";
const VIP = "10.99.0.1";

describe.runIf(canUseNetns(process.env))("traffic", () => {
  let mesh: Mesh;
  let n1: Node;
  let n2: Node;
  let seenByServer: string[];
  let seenByFar: string[];
  beforeAll(async () => {
    mesh = await startMesh({
      nodes: { n1: ["client", "server", "plain-client"], n2: ["far", "plain-server", "plain-waypoint"] },
    });
    [n1, n2] = [mesh.node("n1"), mesh.node("n2")];
    seenByServer = await mesh.echo("server");
    seenByFar = await mesh.echo("far");
    await mesh.echo("plain-server");
  });
  afterAll(async () => {
    await mesh?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    for (const node of [n1, n2]) node.records.length = 0;
    seenByServer.length = 0;
    seenByFar.length = 0;
  });

  const address = (pod: string): string => mesh.pod(pod).address;
  /** The lines of the one connection of a test, by direction. */
  async function lines(outboundNode: Node, inboundNode: Node) {
    const find = (node: Node, direction: string) => node.access().find((line) => line["direction"] === direction);
    await expect.poll(() => [find(outboundNode, "outbound"), find(inboundNode, "inbound")]).not.toContain(undefined);
    return { outbound: find(outboundNode, "outbound"), inbound: find(inboundNode, "inbound") };
  }

  it.each([
    ["of one node", "server", 4],
    ["of one node over IPv6", "server", 6],
    ["of two nodes", "far", 4],
    ["of two nodes over IPv6", "far", 6],
  ] as const)("between captured pods %s is encrypted, attributed and counted", async (_name, pod, version) => {
    const reporter = pod === "far" ? n2 : n1;
    const { address: v4, address6: v6 } = mesh.pod(pod);
    const [client, server] = version === 4 ? [address("client"), v4] : [mesh.pod("client").address6, v6];
    const labels = { source_workload: "client", destination_workload: pod, connection_security_policy: "mutual_tls" };
    const count = async (node: Node, name: string, reporter: string): Promise<number> =>
      node.metric(name, { ...labels, reporter });
    const before = await count(n1, "istio_tcp_connections_opened_total", "source");
    expect(await mesh.request("client", server, 8080)).toBe(TWICE);
    const { outbound, inbound } = await lines(n1, reporter);
    const at = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);
    const both = {
      "src.workload": "client",
      "src.identity": idOf("client"),
      "dst.addr": at(server, 15_008),
      "dst.hbone_addr": at(server, 8080),
      "dst.workload": pod,
      "dst.identity": idOf(pod),
      reason: "OK",
    };
    expect(outbound).toMatchObject({ ...both, bytes_sent: 11, bytes_recv: 22 });
    expect(inbound).toMatchObject({ ...both, bytes_sent: 22, bytes_recv: 11 });
    expect(pod === "far" ? seenByFar : seenByServer).toEqual([client]);
    expect((await count(n1, "istio_tcp_connections_opened_total", "source")) - before).toBe(1);
    for (const [node, side] of [
      [n1, "source"],
      [reporter, "destination"],
    ] as const) {
      const opened = await count(node, "istio_tcp_connections_opened_total", side);
      expect(await count(node, "istio_tcp_connections_closed_total", side)).toBe(opened);
      expect(await count(node, "istio_tcp_received_bytes_total", side)).toBe(11 * opened);
      expect(await count(node, "istio_tcp_sent_bytes_total", side)).toBe(22 * opened);
      expect(await count(node, "istio_tcp_connections_failed_total", side)).toBe(0);
    }
  });

  it("to a pod outside the mesh is plain, and says so", async () => {
    expect(await mesh.request("client", address("plain-server"), 8080)).toBe(TWICE);
    await expect.poll(() => n1.access()).toHaveLength(1);
    const [line] = n1.access();
    expect(line).toMatchObject({
      direction: "outbound",
      "dst.addr": `${address("plain-server")}:8080`,
      bytes_sent: 11,
      bytes_recv: 22,
    });
    expect(line).not.toHaveProperty("src.identity");
    expect(line).not.toHaveProperty("dst.identity");
    expect(
      await n1.metric("istio_tcp_connections_opened_total", {
        destination_workload: "plain-server",
        connection_security_policy: "unknown",
      }),
    ).toBe(1);
  });

  it("from a pod outside the mesh is taken as plain, with its address kept", async () => {
    expect(await mesh.request("plain-client", address("server"), 8080)).toBe(TWICE);
    await expect.poll(() => n1.access()).toHaveLength(1);
    const [line] = n1.access();
    expect(line).toMatchObject({
      direction: "inbound",
      "src.workload": "plain-client",
      "dst.addr": `${address("server")}:8080`,
      bytes_sent: 22,
      bytes_recv: 11,
    });
    expect(line).not.toHaveProperty("src.identity");
    expect(seenByServer).toEqual([address("plain-client")]);
  });

  it("to an address that nobody knows passes", async () => {
    mesh.control.addresses.delete("Kubernetes//Pod/default/plain-server");
    mesh.control.addresses.publish();
    await mesh.settle();
    expect(await mesh.request("client", address("plain-server"), 8080)).toBe(TWICE);
    await expect.poll(() => n1.access()).toHaveLength(1);
    expect(n1.access()[0]).not.toHaveProperty("dst.workload");
    mesh.publishPod("plain-server");
  });

  it("moves megabytes both ways unchanged, and each end closes by itself", async () => {
    const payload = randomBytes(8 * 1024 * 1024);
    const hash = createHash("sha256");
    const arrived = Promise.withResolvers<string>();
    await mesh.serve("far", 9000, (socket) => {
      socket.on("data", (chunk) => hash.update(chunk));
      // Answers only after the client has said its last word.
      socket.on("end", () => {
        arrived.resolve(hash.copy().digest("hex"));
        socket.end(payload);
      });
    });
    const socket = await mesh.connect("client", address("far"), 9000);
    socket.end(payload);
    const answer: Buffer[] = [];
    for await (const chunk of socket) answer.push(chunk as Buffer);
    const expected = createHash("sha256").update(payload).digest("hex");
    expect(await arrived.promise).toBe(expected);
    expect(createHash("sha256").update(Buffer.concat(answer)).digest("hex")).toBe(expected);
    const { outbound } = await lines(n1, n2);
    expect(outbound).toMatchObject({ bytes_sent: payload.length, bytes_recv: payload.length, reason: "OK" });
  });

  describe("to a service", () => {
    beforeAll(() => {
      mesh.publishService("web", VIP);
      mesh.publishPod("server", { services: partOf("web") });
      mesh.publishPod("far", { services: partOf("web") });
    });

    it("reaches all of its endpoints, counted for the service on both sides", async () => {
      await mesh.settle();
      for (let call = 0; call < 30; call++) expect(await mesh.request("client", VIP, 80)).toBe(TWICE);
      expect(seenByServer.length).toBeGreaterThan(0);
      expect(seenByFar.length).toBeGreaterThan(0);
      const service = {
        destination_service: hostnameOf("web"),
        destination_service_name: "web",
        destination_service_namespace: "default",
      };
      const source = await n1.metric("istio_tcp_connections_opened_total", { ...service, reporter: "source" });
      expect(source).toBe(30);
      const near = await n1.metric("istio_tcp_connections_opened_total", { ...service, reporter: "destination" });
      expect(
        near + (await n2.metric("istio_tcp_connections_opened_total", { ...service, reporter: "destination" })),
      ).toBe(source);
    });

    it("tries another endpoint when one does not answer, before a byte was sent", async () => {
      mesh.publishService("flaky", "10.99.0.2", { ports: [{ servicePort: 80, targetPort: 8081 }] });
      mesh.publishPod("server", { services: partOf("web", "flaky") });
      mesh.publishPod("far", { services: partOf("web", "flaky") });
      await mesh.echo("far", 8081);
      const flaky = { "default/flaky.default.svc.cluster.local": { ports: [{ servicePort: 80, targetPort: 8081 }] } };
      mesh.publishPod("server", { services: { ...partOf("web"), ...flaky } });
      mesh.publishPod("far", { services: { ...partOf("web"), ...flaky } });
      await mesh.settle();
      for (let call = 0; call < 10; call++) expect(await mesh.request("client", "10.99.0.2", 80)).toBe(TWICE);
      // The endpoint without a server was asked as well.
      expect(n1.access().some((line) => line["reason"] === "CONNECT_FAILED" && line["direction"] === "inbound")).toBe(
        true,
      );
    });

    it("without endpoints is refused", async () => {
      mesh.publishService("empty", "10.99.0.3");
      await mesh.settle();
      expect(await mesh.request("client", "10.99.0.3", 80)).toBe("");
      await expect
        .poll(() => n1.access("connection failed").at(-1))
        .toMatchObject({ error: "no healthy upstream: 10.99.0.3:80", reason: "NO_ENDPOINT", direction: "outbound" });
      expect(
        await n1.metric("ambientmesh_connections_ended_total", { reason: "NO_ENDPOINT", reporter: "source" }),
      ).toBeGreaterThan(0);
    });
  });

  it("to a port where nobody listens breaks, and both proxies say why", async () => {
    expect(await mesh.request("client", address("far"), 7777)).toBe("");
    const { outbound, inbound } = await lines(n1, n2);
    expect(outbound).toMatchObject({
      reason: "PEER_UNABLE",
      error: "http status: 503",
      phase: "decided",
      ended_by: "proxy",
    });
    expect(inbound).toMatchObject({ reason: "CONNECT_FAILED", phase: "allowed" });
    expect(
      await n2.metric("istio_tcp_connections_failed_total", { reporter: "destination", response_flags: "CONNECT" }),
    ).toBeGreaterThan(0);
  });

  it("drops what the client sent unread with a reset, and an idle client with an end", async () => {
    const eager = await mesh.connect("client", address("far"), 7777);
    const { promise, resolve } = Promise.withResolvers<string>();
    eager.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? "")).once("end", () => resolve("FIN"));
    eager.resume();
    eager.write(TEXT);
    expect(await promise).toBe("ECONNRESET");
    const idle = await mesh.connect("client", address("far"), 7777);
    expect(await readAll(idle)).toBe("");
  });

  it.each([
    ["plain", "plain-server"],
    ["tunnelled", "far"],
  ])("that the client resets is over for the server too, and is no failure (%s)", async (_name, pod) => {
    const gone = Promise.withResolvers<string>();
    const port = pod === "far" ? 9100 : 9101;
    await mesh.serve(pod, port, (socket) => {
      socket.resume();
      socket.once("error", (error: NodeJS.ErrnoException) => gone.resolve(error.code ?? ""));
      socket.once("close", () => gone.resolve("closed"));
    });
    const socket = await mesh.connect("client", address(pod), port);
    socket.write(TEXT);
    await expect.poll(async () => (await n1.dump()).includes(`"clientBytes": ${TEXT.length}`)).toBe(true);
    socket.resetAndDestroy();
    expect(await gone.promise).toBe("ECONNRESET");
    await expect.poll(() => n1.access()).toHaveLength(1);
    expect(n1.access()[0]).toMatchObject({ reason: "OK", ended_by: "client" });
  });

  describe("through a waypoint", () => {
    let waypoint: Waypoint;
    beforeAll(async () => {
      waypoint = await startWaypoint(mesh, "plain-waypoint");
      mesh.publishPod("plain-waypoint", { tunnelProtocol: 1, hostname: "wp.example", services: partOf("wp") });
    });
    afterAll(async () => {
      await waypoint?.[Symbol.asyncDispose]();
    });

    it.each([
      ["of a service, by address", () => gatewayAt(address("plain-waypoint"))],
      ["of a service, by a workload's name", () => gatewayNamed("wp.example")],
      ["of a service, by the waypoint's service", () => gatewayNamed(hostnameOf("wp"))],
    ] as const)("%s", async (_name, gateway) => {
      mesh.publishService("wp", "10.99.0.9", { ports: [{ servicePort: 15_008, targetPort: 15_008 }] });
      mesh.publishService("guarded", "10.99.0.4", { waypoint: gateway() });
      await mesh.settle();
      expect(await mesh.request("client", "10.99.0.4", 80)).toBe(`waypoint\n${TEXT}`);
      const line = n1.access().at(-1);
      expect(line).toMatchObject({
        "dst.addr": `${address("plain-waypoint")}:15008`,
        "dst.hbone_addr": "10.99.0.4:80",
        "dst.identity": idOf("plain-waypoint"),
        "dst.service": hostnameOf("guarded"),
      });
      const headers = waypoint.requests.at(-1)?.headers ?? {};
      expect(headers["baggage"]).toBe(
        "k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.pod.name=client,service.name=client,service.version=v1",
      );
      expect(headers["forwarded"]).toMatch(
        new RegExp(`^for="${address("client")}:\\d+";host=${hostnameOf("guarded")}$`),
      );
      expect(headers["traceparent"]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      expect(headers).not.toHaveProperty("x-forwarded-network");
      mesh.control.addresses.delete(`default/${hostnameOf("guarded")}`);
    });

    it("of a workload", async () => {
      mesh.publishPod("server", { waypoint: gatewayAt(address("plain-waypoint")) });
      await mesh.settle();
      expect(await mesh.request("client", address("server"), 8080)).toBe(`waypoint\n${TEXT}`);
      expect(n1.access().at(-1)).toMatchObject({ "dst.hbone_addr": `${address("server")}:8080` });
      mesh.publishPod("server");
    });

    it("that breaks a tunnel as soon as it is open breaks nothing else", async () => {
      mesh.publishService("bad", "10.99.0.7", { waypoint: gatewayAt(address("plain-waypoint")) });
      await mesh.settle();
      for (let call = 0; call < 5; call++) expect(await mesh.request("client", "10.99.0.7", 666)).toBe("");
      expect(await mesh.request("client", "10.99.0.7", 80)).toBe(`waypoint\n${TEXT}`);
    });

    it("that is not there is refused, never bypassed", async () => {
      mesh.publishService("lost", "10.99.0.5", { waypoint: gatewayAt("10.0.9.9") });
      await mesh.settle();
      expect(await mesh.request("client", "10.99.0.5", 80)).toBe("");
      await expect
        .poll(() => n1.access("connection failed").at(-1))
        .toMatchObject({ error: "unknown waypoint: /10.0.9.9", reason: "WAYPOINT_UNKNOWN" });
    });
  });

  describe("to another network", () => {
    const behind = (gateway: Parameters<Mesh["publishPod"]>[1]): void =>
      mesh.control.publishWorkload({
        uid: "remote//Pod/default/remote",
        name: "remote",
        namespace: "default",
        network: "elsewhere",
        tunnelProtocol: 1,
        services: partOf("remote"),
        ...gateway,
      });

    it.each([
      ["by address", "address"],
      ["by name", "hostname"],
    ] as const)("goes through its gateway %s, which sees no byte of it", async (_name, kind) => {
      await using gateway = await startGateway(mesh, { podName: "plain-waypoint", port: 15_009, behind: "far" });
      mesh.publishService("remote", "10.99.0.6", { subjectAltNames: [idOf("far")] });
      mesh.publishService("eastwest", "10.99.0.16", { ports: [{ servicePort: 15_008, targetPort: 15_009 }] });
      const services = {
        [`default/${hostnameOf("eastwest")}`]: { ports: [{ servicePort: 15_008, targetPort: 15_009 }] },
      };
      mesh.publishPod("plain-waypoint", { services });
      const byAddress = gatewayAt(address("plain-waypoint"), 15_009);
      behind({ networkGateway: kind === "address" ? byAddress : gatewayNamed(hostnameOf("eastwest")) });
      await mesh.settle();
      expect(await mesh.request("client", "10.99.0.6", 80)).toBe(TWICE);
      const authority = `${hostnameOf("remote")}:80`;
      expect(gateway.requests).toMatchObject([
        { authority, peer: idOf("client"), headers: { baggage: expect.any(String) } },
      ]);
      expect(gateway.requests[0]?.headers).not.toHaveProperty("x-forwarded-network");
      expect(gateway.seen().includes(TEXT)).toBe(false);
      const { outbound, inbound } = await lines(n1, n2);
      expect(outbound).toMatchObject({
        "dst.addr": `${address("plain-waypoint")}:15009`,
        "dst.hbone_addr": authority,
        "dst.service": hostnameOf("remote"),
        "dst.identity": idOf("far"),
        bytes_sent: 11,
        bytes_recv: 22,
        reason: "OK",
      });
      expect(inbound).toMatchObject({
        "src.identity": idOf("client"),
        "dst.hbone_addr": authority,
        "dst.workload": "far",
      });
      expect(
        await n1.metric("istio_tcp_connections_opened_total", {
          destination_principal: idOf("far"),
          reporter: "source",
        }),
      ).toBeGreaterThan(0);
    });

    it("does not take anybody else behind the gateway for the service", async () => {
      await using _gateway = await startGateway(mesh, { podName: "plain-waypoint", port: 15_009, behind: "server" });
      mesh.publishService("remote", "10.99.0.6", { subjectAltNames: [idOf("far")] });
      behind({ networkGateway: gatewayAt(address("plain-waypoint"), 15_009) });
      await mesh.settle();
      expect(await mesh.request("client", "10.99.0.6", 80)).toBe("");
      await expect.poll(() => n1.access().at(-1)).toMatchObject({ reason: "TLS_FAILED" });
      expect(seenByServer).toEqual([]);
    });
  });

  it("of an open connection shows in config_dump with its story", async () => {
    const socket = await mesh.connect("client", address("far"), 8080);
    socket.write(TEXT);
    expect(await readSome(socket)).toBe(TWICE);
    const dump = (await (await n1.get("/config_dump")).json()) as { workloadState: Record<string, unknown> };
    expect(dump.workloadState["uid-client"]).toMatchObject({
      state: "Up",
      info: { name: "client", namespace: "default", serviceAccount: "client" },
      connections: {
        inbound: [],
        outbound: [
          {
            originalDst: `${address("far")}:8080`,
            actualDst: `${address("far")}:15008`,
            protocol: "HBONE",
            rule: "direct",
            clientBytes: 11,
            serverBytes: 22,
          },
        ],
      },
    });
    socket.destroy();
    await expect.poll(() => n1.access()).toHaveLength(1);
  });
});
