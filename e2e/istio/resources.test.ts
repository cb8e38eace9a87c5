// SPDX-License-Identifier: Apache-2.0
// Run by `npm run e2e:istio`, like control-plane.test.ts: from the same objects, Istio's istiod and ours make the same resources.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { toJson, type JsonValue } from "@bufbuild/protobuf";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import { AddressSchema } from "@ambientmesh/api/workload";
import { beforeAll, describe, expect, it } from "vitest";
import { applyYaml, namespaceYaml, startIstiod } from "../../packages/istiod/test/support/mesh.ts";
import { TestZtunnel } from "../../packages/istiod/test/support/ztunnel.ts";
import { SYSTEM, nodeYaml, startApi } from "./cluster.ts";
import { needIstio } from "./install.ts";
import { startIstioIstiod } from "./istiod.ts";

const { missing, path } = await needIstio("pilot-discovery");
const title = missing === undefined ? "resources of Istio's istiod and of ours" : `skipped: ${missing}`;
const FILES = ["workloads", "services", "policies", "waypoints"].map((name) =>
  join(import.meta.dirname, "objects", `${name}.yaml`),
);

/** The only object here without any label. */
const WITHOUT_LABELS = "Kubernetes/networking.istio.io/ServiceEntry/shop/given-address/g.example.com";

const LABELS = `
apiVersion: v1
kind: Namespace
metadata: { name: routed, labels: { istio.io/use-waypoint: services } }
---
apiVersion: v1
kind: Namespace
metadata: { name: ${SYSTEM}, labels: { topology.istio.io/network: here } }
`;

/** The addresses of Gateways stay as the test says. */
const WITHOUT_WRITERS = {
  PILOT_ENABLE_GATEWAY_API_STATUS: "false",
  PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER: "false",
  PILOT_ENABLE_GATEWAY_API_GATEWAYCLASS_CONTROLLER: "false",
};

type Resources = Readonly<Record<"addresses" | "policies", Readonly<Record<string, JsonValue>>>>;

describe.skipIf(missing !== undefined)(title, () => {
  let theirs: Resources;
  let ours: Resources;

  beforeAll(async () => {
    await using kube = await startApi();
    const places = [SYSTEM, "shop", "strict", "routed"].map((name) => namespaceYaml(name));
    const nodes = ["n1", "n2"].map(nodeYaml);
    await applyYaml(kube.client, [...places, ...nodes].join("---"));
    await applyYaml(kube.client, LABELS);
    for (const file of FILES) await applyYaml(kube.client, await readFile(file, "utf8"));
    {
      await using istiod = await startIstioIstiod(path("pilot-discovery"), kube.kubeconfig, WITHOUT_WRITERS);
      theirs = await resourcesOf(`127.0.0.1:${istiod.plaintextPort}`);
    }
    await using istiod = await startIstiod(kube.client);
    ours = await resourcesOf(istiod.address.grpc);
  });

  it("are under the same names", () => {
    expect(Object.keys(ours.addresses)).toEqual(Object.keys(theirs.addresses));
    expect(Object.keys(ours.policies)).toEqual(Object.keys(theirs.policies));
    expect(Object.keys(theirs.addresses).length).toBeGreaterThan(20);
    expect(Object.keys(theirs.policies).length).toBeGreaterThan(5);
  });

  it("hold networks and waypoints, so that these are compared too", () => {
    const waypointOf = (name: string): unknown => {
      const { workload, service } = theirs.addresses[name] as Readonly<
        Record<string, Readonly<Record<string, unknown>>>
      >;
      return (workload ?? service)?.["waypoint"];
    };
    const withWaypoint = Object.keys(theirs.addresses).filter((name) => waypointOf(name) !== undefined);
    expect(withWaypoint).toMatchInlineSnapshot(`
      [
        "Kubernetes//Pod/routed/by-itself",
        "Kubernetes/networking.istio.io/ServiceEntry/routed/listed/192.0.2.51",
        "routed/egress.example.com",
        "routed/from-namespace.routed.svc.cluster.local",
        "routed/listed.example.com",
        "routed/own.routed.svc.cluster.local",
        "strict/far.strict.svc.cluster.local",
      ]
    `);
    expect(theirs.addresses["Kubernetes//Pod/shop/db-0"]).toMatchObject({ workload: { network: "here" } });
  });

  it("say the same of workloads and services", () => {
    const but = ({ addresses }: Resources): object => ({ ...addresses, [WITHOUT_LABELS]: undefined });
    expect(but(ours)).toEqual(but(theirs));
  });

  it("differ on purpose in policies that select by labels: Istio's attaches all of them to what has none", () => {
    const workloadOf = (all: Resources): object => (all.addresses[WITHOUT_LABELS] as { workload: object }).workload;
    const authorizationPolicies = ["shop/allow-http", "shop/deny-http", "shop/every-field"];
    expect(workloadOf(theirs)).toEqual({ ...workloadOf(ours), authorizationPolicies });
    expect(workloadOf(ours)).not.toHaveProperty("authorizationPolicies");
  });

  it("say the same of policies", () => expect(ours.policies).toEqual(theirs.policies));
});

/** What a ztunnel gets to hear, in the order of names. */
async function resourcesOf(address: string): Promise<Resources> {
  using ztunnel = new TestZtunnel({ address });
  await ztunnel.synced();
  await ztunnel.until(() => {
    const { type } = ztunnel.addresses.get("shop/g.example.com") ?? {};
    return type?.case === "service" && type.value.addresses.length > 0;
  });
  const inOrder = <T>(all: ReadonlyMap<string, T>, encode: (value: T) => JsonValue): Record<string, JsonValue> =>
    Object.fromEntries([...all].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, encode(value)]));
  return {
    addresses: inOrder(ztunnel.addresses, (value) => toJson(AddressSchema, value)),
    policies: inOrder(ztunnel.authorizations, (value) => toJson(AuthorizationSchema, value)),
  };
}
