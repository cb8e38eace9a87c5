// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { objectKey } from "@ambientmesh/kube";
import { formatSpiffeId } from "@ambientmesh/spiffe";
import { describe, expect, it, test } from "vitest";
import type { Caller } from "../../src/authentication/caller.ts";
import { NodeAuthorizer } from "../../src/certificates/node-authorization.ts";
import { CollectionGraph } from "../../src/collections/graph.ts";

interface PodFacts {
  readonly name: string;
  readonly namespace: string;
  readonly node?: string;
  readonly account?: string;
  readonly phase?: NonNullable<Pod["status"]>["phase"];
}

function podOf({ name, namespace, node, account, phase = "Running" }: PodFacts): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, uid: `${name}-uid` },
    spec: {
      containers: [],
      ...(node !== undefined && { nodeName: node }),
      ...(account !== undefined && { serviceAccountName: account }),
    },
    status: { phase },
  };
}

const PODS: readonly PodFacts[] = [
  { name: "z-1", namespace: "mesh", node: "n1", account: "ztunnel" },
  { name: "z-new", namespace: "mesh", account: "ztunnel" },
  { name: "web", namespace: "shop", node: "n1", account: "web" },
  { name: "plain", namespace: "shop", node: "n1" },
  { name: "db", namespace: "shop", node: "n2", account: "db" },
  { name: "crashed", namespace: "shop", node: "n1", account: "crashed", phase: "Failed" },
];

function authorizer(trustedAccounts = ["mesh/ztunnel"]) {
  const pods = new CollectionGraph(() => undefined).source<Pod>("pods");
  for (const facts of PODS) pods.set(objectKey(facts), podOf(facts));
  return { pods, nodes: new NodeAuthorizer(pods, { trustedAccounts, mesh: { trustDomain: "td" } }) };
}

const idOf = (account: string, namespace = "shop") =>
  formatSpiffeId({ trustDomain: "td", namespace, serviceAccount: account });
const ZTUNNEL: Caller = {
  by: "token",
  id: idOf("ztunnel", "mesh"),
  namespace: "mesh",
  serviceAccount: "ztunnel",
  pod: { name: "z-1", uid: "z-1-uid" },
};

describe("a node proxy", () => {
  test.each([["web"], ["default"]])("gets the identity of %s on its node", (account) => {
    expect(authorizer().nodes.authorize(ZTUNNEL, idOf(account))).toEqual({ kind: "allowed", id: idOf(account) });
  });

  test.each<[string, Caller, string, string]>([
    ["what is on another node", ZTUNNEL, idOf("db"), "no pod runs as shop/db on node n1"],
    ["what runs nowhere", ZTUNNEL, idOf("nobody"), "no pod runs as shop/nobody on node n1"],
    ["a name of another namespace", ZTUNNEL, idOf("web", "bank"), "no pod runs as bank/web on node n1"],
    ["what has failed", ZTUNNEL, idOf("crashed"), "no pod runs as shop/crashed on node n1"],
    [
      "another trust domain",
      ZTUNNEL,
      "spiffe://other/ns/shop/sa/web",
      "spiffe://other/ns/shop/sa/web is of another trust domain",
    ],
    ["nonsense", ZTUNNEL, "web", "what is asked for is no identity of this mesh"],
    [
      "without a bound token",
      { ...ZTUNNEL, pod: undefined },
      idOf("web"),
      `${ZTUNNEL.id} has no token that is bound to a pod`,
    ],
    [
      "by certificate",
      { ...ZTUNNEL, by: "certificate" },
      idOf("web"),
      `${ZTUNNEL.id} has no token that is bound to a pod`,
    ],
    [
      "as an ordinary account",
      { ...ZTUNNEL, serviceAccount: "web", namespace: "shop" },
      idOf("web"),
      "shop/web is not a trusted node account",
    ],
    [
      "as a pod that is gone",
      { ...ZTUNNEL, pod: { name: "z-0", uid: "z-0-uid" } },
      idOf("web"),
      `pod z-0 of ${ZTUNNEL.id} is not known with this uid and account`,
    ],
    [
      "as an earlier pod",
      { ...ZTUNNEL, pod: { name: "z-1", uid: "old" } },
      idOf("web"),
      `pod z-1 of ${ZTUNNEL.id} is not known with this uid and account`,
    ],
    [
      "before it has a node",
      { ...ZTUNNEL, pod: { name: "z-new", uid: "z-new-uid" } },
      idOf("web"),
      `pod z-new of ${ZTUNNEL.id} is not known with this uid and account`,
    ],
  ])("is refused %s", (_what, caller, requested, reason) => {
    expect(authorizer().nodes.authorize(caller, requested)).toEqual({ kind: "refused", reason });
  });

  it("is refused where no account is trusted", () => {
    expect(authorizer([]).nodes.authorize(ZTUNNEL, idOf("web"))).toMatchObject({ kind: "refused" });
  });

  it("follows pods as they come and go", () => {
    const { pods, nodes } = authorizer();
    pods.delete("shop/web");
    expect(nodes.authorize(ZTUNNEL, idOf("web"))).toMatchObject({ kind: "refused" });
    pods.set("shop/web", podOf({ name: "web", namespace: "shop", node: "n2", account: "web" }));
    expect(nodes.authorize(ZTUNNEL, idOf("web"))).toMatchObject({ kind: "refused" });
    pods.set("shop/late", podOf({ name: "late", namespace: "shop", node: "n1", account: "web", phase: "Pending" }));
    expect(nodes.authorize(ZTUNNEL, idOf("web"))).toMatchObject({ kind: "allowed" });
  });
});
