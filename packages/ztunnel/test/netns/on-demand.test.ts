// SPDX-License-Identifier: Apache-2.0
// Addresses that are fetched when they are called. Needs root: `npx vitest run --project netns packages/ztunnel/test/netns/on-demand.test.ts`.
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gatewayNamed, partOf } from "../fixtures.ts";
import { hostnameOf, idOf, startMesh, type Mesh, type Node } from "../testbed/mesh.ts";
import { startWaypoint, type Waypoint } from "../testbed/waypoint.ts";

const TWICE = "hello worldhello world";

describe.runIf(canUseNetns(process.env))("on demand", () => {
  let mesh: Mesh;
  let node: Node;
  let waypoint: Waypoint;

  beforeAll(async () => {
    mesh = await startMesh({
      nodes: { n1: ["client"], n2: ["far", "other", "plain-waypoint"] },
      env: { XDS_ON_DEMAND: "true" },
    });
    node = mesh.node("n1");
    for (const pod of ["far", "other"]) await mesh.echo(pod);
    waypoint = await startWaypoint(mesh, "plain-waypoint");
    mesh.publishService("web", "10.99.0.1");
    mesh.publishPod("far", { services: partOf("web") });
    mesh.publishService("waypoint", "10.99.0.9", { ports: [{ servicePort: 15_008, targetPort: 15_008 }] });
    const services = {
      [`default/${hostnameOf("waypoint")}`]: { ports: [{ servicePort: 15_008, targetPort: 15_008 }] },
    };
    mesh.publishPod("plain-waypoint", { services });
    mesh.publishService("guarded", "10.99.0.2", { waypoint: gatewayNamed(hostnameOf("waypoint")) });
  });
  afterAll(async () => {
    await waypoint?.[Symbol.asyncDispose]();
    await mesh?.[Symbol.asyncDispose]();
  });

  const knows = async (name: string): Promise<boolean> => (await node.dump()).includes(`"${name}"`);

  it("knows its own pods from the start, and others once they are called", async () => {
    expect([await knows("client"), await knows("other")]).toEqual([true, false]);
    expect(await mesh.request("client", mesh.pod("other").address, 8080)).toBe(TWICE);
    await expect.poll(() => node.access().at(-1)).toMatchObject({ "dst.identity": idOf("other"), reason: "OK" });
    expect([await knows("other"), await knows("far")]).toEqual([true, false]);
  });

  it("names who calls as well", async () => {
    await expect
      .poll(() => mesh.node("n2").access().at(-1))
      .toMatchObject({ "src.workload": "client", "dst.workload": "other" });
  });

  it("has the endpoints of a service with it", async () => {
    expect(await mesh.request("client", "10.99.0.1", 80)).toBe(TWICE);
    await expect
      .poll(() => node.access().at(-1))
      .toMatchObject({ "dst.workload": "far", "dst.service": hostnameOf("web") });
  });

  it("does not go round a waypoint that it has not heard of yet", async () => {
    expect(await mesh.request("client", "10.99.0.2", 80)).toBe("waypoint\nhello world");
    expect(waypoint.requests).toHaveLength(1);
  });

  it("passes on what nobody knows, without asking twice", async () => {
    await mesh.serve("plain-waypoint", 9999, (socket) => socket.end("outside"));
    mesh.control.addresses.delete("Kubernetes//Pod/default/plain-waypoint");
    mesh.control.addresses.publish();
    for (let call = 0; call < 2; call++) {
      expect(await mesh.request("client", mesh.pod("plain-waypoint").address6, 9999)).toBe("outside");
    }
  });
});
