// SPDX-License-Identifier: Apache-2.0
import { parseSpiffeId } from "@ambientmesh/spiffe";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { refusedClaim } from "../../src/authentication/node-claims.ts";
import { readProxyNode } from "../../src/authentication/proxy-node.ts";

const ZTUNNEL = "ztunnel~1.1.1.1~ztunnel-x.istio-system~istio-system.svc.cluster.local";

describe("a node", () => {
  it("as ztunnel sends it", () => {
    expect(
      readProxyNode(ZTUNNEL, { NAME: "ztunnel-x", NAMESPACE: "mesh", NODE_NAME: "n1", INSTANCE_IPS: "1.1.1.1" }),
    ).toEqual({
      kind: "node",
      node: { type: "ztunnel", namespace: "mesh", serviceAccount: undefined, nodeName: "n1" },
    });
  });

  test.each<[string, Record<string, unknown>, unknown]>([
    [ZTUNNEL, {}, { namespace: "istio-system", nodeName: "" }],
    [ZTUNNEL, { NAMESPACE: 5, NODE_NAME: ["n1"] }, { namespace: "istio-system", nodeName: "" }],
    [
      "sidecar~::1~a.b~b.svc.x",
      { SERVICE_ACCOUNT: "default" },
      { type: "sidecar", namespace: "b", serviceAccount: "default" },
    ],
  ])("%s with %j", (id, metadata, node) =>
    expect(readProxyNode(id, metadata as Record<string, string>)).toMatchObject({ kind: "node", node }),
  );

  test.each([
    ["", "the first request names no node id"],
    ["ztunnel~1.1.1.1~a.b", 'node id "ztunnel~1.1.1.1~a.b" is not type~address~pod.namespace~domain with a known type'],
    [
      "envoy~1.1.1.1~a.b~b.svc",
      'node id "envoy~1.1.1.1~a.b~b.svc" is not type~address~pod.namespace~domain with a known type',
    ],
    ["ztunnel~1.1.1.1~a.b~", 'node "ztunnel~1.1.1.1~a.b~" names no namespace'],
  ])("%j is refused", (id, problem) => expect(readProxyNode(id)).toEqual({ kind: "invalid", problem }));

  it("never throws", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.dictionary(fc.string(), fc.jsonValue()), (id, metadata) => {
        expect(["node", "invalid"]).toContain(readProxyNode(id, metadata as Record<string, string>).kind);
      }),
    );
  });
});

describe("the claims of a node", () => {
  const id = parseSpiffeId("spiffe://cluster.local/ns/mesh/sa/ztunnel");
  const caller = { id, namespace: "mesh", serviceAccount: "ztunnel" };
  const node = { type: "ztunnel", namespace: "mesh", serviceAccount: undefined, nodeName: "n1" } as const;
  test.each([
    [node, undefined],
    [{ ...node, serviceAccount: "ztunnel" }, undefined],
    [{ ...node, namespace: "shop" }, `${id} claims to be a proxy of namespace shop`],
    [{ ...node, serviceAccount: "web" }, `${id} claims to run as service account web`],
  ])("%j", (node, refusal) => expect(refusedClaim(caller, node)).toBe(refusal));
});
