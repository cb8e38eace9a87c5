// SPDX-License-Identifier: Apache-2.0
// Policies on new and on open connections. Needs root: `npx vitest run --project netns packages/ztunnel`.
import type { Socket } from "node:net";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ControlPlane } from "../testbed/control-plane.ts";
import { idOf, readSome, startMesh, type Mesh, type Node } from "../testbed/mesh.ts";
import { ask, peerAs } from "../testbed/peer.ts";

type Policy = Parameters<ControlPlane["publishPolicy"]>[0];

const ALLOW = 0;
const DENY = 1;
const NAMESPACE = 1;
const SELECTED = 2;

describe.runIf(canUseNetns(process.env))("policies", () => {
  let mesh: Mesh;
  let node: Node;
  const address = (): string => mesh.pod("server").address;
  const allowOnly = (serviceAccount: string): Policy => ({
    namespace: "default",
    name: "callers",
    scope: NAMESPACE,
    action: ALLOW,
    groups: [{ rules: [{ matches: [{ serviceAccounts: [{ namespace: "default", serviceAccount }] }] }] }],
  });
  /** Who has no identity is refused: what PERMISSIVE turns off and STRICT turns on. */
  const strict: Policy = {
    namespace: "istio-system",
    name: "strict",
    scope: 0,
    action: DENY,
    groups: [{ rules: [{ matches: [{ notPrincipals: [{ matchType: { case: "presence", value: {} } }] }] }] }],
  };

  beforeAll(async () => {
    mesh = await startMesh({ nodes: { n1: ["client", "other", "server", "plain-client"], n2: ["plain-peer"] } });
    node = mesh.node("n1");
    await mesh.echo("server");
  });
  afterAll(async () => {
    await mesh?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    node.records.length = 0;
  });
  afterEach(async () => {
    mesh.control.policies.replaceAll([]);
    mesh.publishPod("server");
    await mesh.settle();
  });

  async function openFrom(pod: string): Promise<Socket> {
    const socket = await mesh.connect(pod, address(), 8080);
    socket.write("x");
    expect(await readSome(socket)).toBe("xx");
    return socket;
  }

  const inboundLines = () => node.access().filter((line) => line["direction"] === "inbound");

  it("let in whom they name and refuse others with 401", async () => {
    mesh.control.publishPolicy(allowOnly("client"));
    await mesh.settle();
    expect(await mesh.request("client", address(), 8080)).toBe("hello worldhello world");
    expect(await mesh.request("other", address(), 8080)).toBe("");
    await expect.poll(inboundLines).toHaveLength(2);
    expect(inboundLines().at(-1)).toMatchObject({
      "src.identity": idOf("other"),
      error: "connection closed due to policy rejection: allow policies exist, but none allowed",
      reason: "POLICY_DENIED",
      ended_by: "proxy",
    });
    expect(
      node.access().find((line) => line["direction"] === "outbound" && line["src.workload"] === "other"),
    ).toMatchObject({
      error: "http status: 401",
      reason: "PEER_REFUSED",
    });
    expect(
      await node.metric("istio_tcp_connections_failed_total", {
        response_flags: "DENY",
        reporter: "destination",
        source_workload: "other",
      }),
    ).toBe(1);
    using peer = await peerAs(mesh, "stranger");
    expect(await peer.connect("server", `${address()}:8080`)).toEqual({ kind: "refused", status: 401, headers: {} });
  });

  it("name the one that denies", async () => {
    mesh.control.publishPolicy({ ...allowOnly("other"), name: "no-others", action: DENY });
    await mesh.settle();
    expect(await mesh.request("other", address(), 8080)).toBe("");
    await expect.poll(inboundLines).toHaveLength(1);
    expect(inboundLines()[0]).toMatchObject({
      error: "connection closed due to policy rejection: explicitly denied by: default/no-others",
    });
  });

  it("STRICT refuses clients without identity, PERMISSIVE lets them in", async () => {
    expect(await mesh.request("plain-client", address(), 8080)).toBe("hello worldhello world");
    mesh.control.publishPolicy(strict);
    await mesh.settle();
    expect(await mesh.request("plain-client", address(), 8080)).toBe("");
    expect(await mesh.request("client", address(), 8080)).toBe("hello worldhello world");
    await expect
      .poll(() => inboundLines().find((line) => line["reason"] === "POLICY_DENIED"))
      .toMatchObject({
        "src.workload": "plain-client",
        error: "connection closed due to policy rejection: explicitly denied by: istio-system/strict",
      });
  });

  it("end connections that are open and no longer allowed, and no others", async () => {
    const [kept, cut] = [await openFrom("client"), await openFrom("other")];
    const plain = await openFrom("plain-client");
    mesh.control.publishPolicy(allowOnly("client"));
    expect(await readSome(cut)).toBe("");
    expect(await readSome(plain)).toBe("");
    kept.write("y");
    expect(await readSome(kept)).toBe("yy");
    await expect.poll(inboundLines).toHaveLength(2);
    for (const line of inboundLines()) {
      expect(line).toMatchObject({
        error: "connection closed due to policy change: allow policies exist, but none allowed",
        reason: "POLICY_CHANGED",
        bytes_recv: 1,
        bytes_sent: 2,
      });
    }
    kept.destroy();
  });

  it("that select a workload later end its open connections too", async () => {
    mesh.control.publishPolicy({ ...allowOnly("client"), name: "chosen", scope: SELECTED });
    await mesh.settle();
    const [kept, cut] = [await openFrom("client"), await openFrom("other")];
    mesh.publishPod("server", { authorizationPolicies: ["default/chosen"] });
    expect(await readSome(cut)).toBe("");
    kept.write("y");
    expect(await readSome(kept)).toBe("yy");
    kept.destroy();
  });

  it("that are not understood are NACKed and err to the safe side", async () => {
    mesh.control.publishPolicy({
      ...allowOnly("x"),
      groups: [{ rules: [{ matches: [{ sourceIps: [{ address: new Uint8Array(3) }] }] }] }],
    });
    await expect
      .poll(() => node.records.find((record) => record.message === "rejecting resources")?.fields)
      .toEqual(
        expect.arrayContaining([["reason", expect.stringContaining("policy default/callers can't be understood")]]),
      );
    expect(await mesh.request("client", address(), 8080)).toBe("");
    mesh.control.publishPolicy(allowOnly("client"));
    await mesh.settle();
    expect(await mesh.request("client", address(), 8080)).toBe("hello worldhello world");
  });

  it("judge each tunnel of a connection by itself", async () => {
    using peer = await peerAs(mesh, "caller");
    await mesh.echo("server", 9000);
    const connection = await peer.tunnelTo("server");
    const open = await ask(connection, `${address()}:8080`);
    mesh.control.publishPolicy({
      namespace: "default",
      name: "port",
      scope: NAMESPACE,
      action: DENY,
      groups: [{ rules: [{ matches: [{ destinationPorts: [9000] }] }] }],
    });
    await mesh.settle();
    expect(await ask(connection, `${address()}:9000`)).toMatchObject({ status: 401 });
    const tunnel = open.kind === "open" ? open.tunnel : undefined;
    tunnel?.end("z");
    expect(Buffer.concat((await tunnel?.toArray()) as Buffer[]).toString()).toBe("zz");
  });
});
