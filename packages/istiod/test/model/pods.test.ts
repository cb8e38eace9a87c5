// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { translate } from "../support/translate.ts";

const pod = (metadata: string, spec = "", status = ""): string => `
apiVersion: v1
kind: Pod
metadata: { name: web-1, namespace: shop, ${metadata} }
spec: { nodeName: n1, serviceAccountName: web, containers: [], ${spec} }
status: { phase: Running, podIP: 10.0.0.1, conditions: [{ type: Ready, status: "True" }], ${status} }
`;
const UID = "c1//Pod/shop/web-1";

describe("a pod", () => {
  it("becomes a workload with everything that proxies want to know", () => {
    expect(
      translate(`
apiVersion: v1
kind: Namespace
metadata: { name: istio-system, labels: { topology.istio.io/network: net1 } }
---
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: { topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z, topology.istio.io/subzone: s }
---
apiVersion: v1
kind: Pod
metadata:
  name: web-6b7-x
  namespace: shop
  generateName: web-6b7-
  labels: { app: web, version: v1, pod-template-hash: 6b7 }
  annotations: { ambient.istio.io/redirection: enabled }
  ownerReferences: [{ apiVersion: apps/v1, kind: ReplicaSet, name: web-6b7, uid: u, controller: true }]
spec:
  nodeName: n1
  serviceAccountName: web-account
  containers: [{ name: web, ports: [{ name: http, containerPort: 8080 }] }]
status:
  phase: Running
  podIP: 10.0.0.1
  podIPs: [{ ip: 10.0.0.1 }, { ip: "fd00::1" }]
  conditions: [{ type: Ready, status: "True" }]
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec:
  clusterIP: 10.1.0.1
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: http }, { name: raw, port: 90, targetPort: 9090 }, { name: other, port: 91, targetPort: gone }]
`)["c1//Pod/shop/web-6b7-x"],
    ).toMatchInlineSnapshot(`
      {
        "addresses": [
          "10.0.0.1",
          "fd00::1",
        ],
        "canonicalName": "web",
        "canonicalRevision": "v1",
        "clusterId": "c1",
        "locality": {
          "region": "r",
          "subzone": "s",
          "zone": "z",
        },
        "name": "web-6b7-x",
        "namespace": "shop",
        "network": "net1",
        "node": "n1",
        "serviceAccount": "web-account",
        "services": {
          "shop/web.shop.svc.cluster.local": {
            "ports": [
              {
                "servicePort": 80,
                "targetPort": 8080,
              },
              {
                "servicePort": 90,
                "targetPort": 9090,
              },
            ],
          },
        },
        "tunnelProtocol": "HBONE",
        "uid": "c1//Pod/shop/web-6b7-x",
        "workloadName": "web",
        "workloadType": "POD",
      }
    `);
  });

  test.each([
    ["Succeeded", "phase: Succeeded"],
    ["Failed", "phase: Failed"],
    ["without address", "podIP: ''"],
    ["with an address that is none", "podIPs: [{ ip: 10.0.0.1 }, { ip: nonsense }]"],
  ])("that is %s is left out", (_what, status) => expect(translate(pod("", "", status))).toEqual({}));

  test.each([
    ["ready", "", "", "HEALTHY"],
    ["Pending with an address", "", "phase: Pending", "HEALTHY"],
    ["not ready", "", 'conditions: [{ type: Ready, status: "False" }]', "UNHEALTHY"],
    ["without conditions", "", "conditions: []", "UNHEALTHY"],
    ["terminating", "deletionTimestamp: '2026-01-01T00:00:00Z'", "", "UNHEALTHY"],
  ])("that is %s has the right status", (_what, metadata, status, expected) =>
    expect({ status: "HEALTHY", ...(translate(pod(metadata, "", status))[UID] as object) }).toMatchObject({
      status: expected,
    }),
  );

  test.each([
    ["annotations: { ambient.istio.io/redirection: enabled }", { tunnelProtocol: "HBONE" }],
    ["annotations: { ambient.istio.io/redirection: pending }", {}],
    ["labels: { istio.io/dataplane-mode: ambient }", {}],
    ["labels: { networking.istio.io/tunnel: http }", { tunnelProtocol: "HBONE", nativeTunnel: true }],
  ])("with %s speaks %j", (metadata, expected) => {
    const { tunnelProtocol, nativeTunnel } = translate(pod(metadata))[UID] as Record<string, unknown>;
    expect({
      ...(tunnelProtocol !== undefined && { tunnelProtocol }),
      ...(nativeTunnel !== undefined && { nativeTunnel }),
    }).toEqual(expected);
  });

  it("on the host network says so and keeps its addresses", () => {
    expect(translate(pod("", "hostNetwork: true"))[UID]).toMatchObject({
      networkMode: "HOST_NETWORK",
      addresses: ["10.0.0.1"],
    });
  });

  it("has the network of the system namespace, whatever its own label or namespace says", () => {
    const yaml = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { topology.istio.io/network: net2 } }
---
apiVersion: v1
kind: Namespace
metadata: { name: istio-system, labels: { topology.istio.io/network: net1 } }
---${pod("labels: { topology.istio.io/network: net3 }")}`;
    expect(translate(yaml)[UID]).toMatchObject({ network: "net1" });
  });

  it("names the trust domain unless it is the default", () => {
    expect(translate(pod(""))[UID]).not.toHaveProperty("trustDomain");
    expect(translate(pod(""), { trustDomain: "a.example" })[UID]).toMatchObject({ trustDomain: "a.example" });
  });
});

describe("names of a pod", () => {
  const owned = (kind: string, name: string, labels = ""): string =>
    pod(
      `generateName: g-, labels: { ${labels} }, ownerReferences: [{ apiVersion: v1, kind: ${kind}, name: ${name}, uid: u, controller: true }]`,
    );
  test.each([
    ["a ReplicaSet with its hash", owned("ReplicaSet", "web-abc", "pod-template-hash: abc"), "web"],
    ["a ReplicaSet with another hash", owned("ReplicaSet", "web-abc", "pod-template-hash: xyz"), "web-abc"],
    ["a ReplicaSet without hash", owned("ReplicaSet", "rollout-set"), "rollout-set"],
    ["a StatefulSet", owned("StatefulSet", "db"), "db"],
    ["a CronJob's Job", owned("Job", "report-28100000"), "report"],
    ["a Job", owned("Job", "migrate-1"), "migrate-1"],
    ["a DeploymentConfig", owned("ReplicationController", "front-3", "deploymentconfig: front"), "front"],
    [
      "a Node, as static pods do",
      pod("ownerReferences: [{ apiVersion: v1, kind: Node, name: n1, uid: u, controller: true }]"),
      "web-1",
    ],
    [
      "no controller",
      pod("generateName: g-, ownerReferences: [{ apiVersion: v1, kind: Thing, name: t, uid: u }]"),
      "web-1",
    ],
  ])("with %s as its owner", (_owner, yaml, workloadName) =>
    expect(translate(yaml)[UID]).toMatchObject({
      workloadName,
      canonicalName: workloadName,
      canonicalRevision: "latest",
    }),
  );

  test.each([
    ["app: a", "a", "latest"],
    ["app: a, app.kubernetes.io/name: b, version: v1", "b", "v1"],
    [
      "app.kubernetes.io/name: b, service.istio.io/canonical-name: c, version: v1, app.kubernetes.io/version: v2",
      "c",
      "v2",
    ],
    ["service.istio.io/canonical-revision: v3, app.kubernetes.io/version: v2", "web-1", "v3"],
  ])("labels %s make it %s %s", (labels, canonicalName, canonicalRevision) =>
    expect(translate(pod(`labels: { ${labels} }`))[UID]).toMatchObject({ canonicalName, canonicalRevision }),
  );
});

describe("ports of a pod", () => {
  const service = (targetPort: string): string => `
apiVersion: v1
kind: Service
metadata: { name: s, namespace: shop }
spec: { clusterIP: 10.1.0.1, selector: { app: web }, ports: [{ port: 80, targetPort: ${targetPort} }] }
---`;
  const containers = `
  containers: [{ name: a, ports: [{ name: udp, containerPort: 53, protocol: UDP }, { name: http, containerPort: 8080 }] }],
  initContainers: [
    { name: once, ports: [{ name: setup, containerPort: 1 }] },
    { name: side, restartPolicy: Always, ports: [{ name: side, containerPort: 2 }] } ]`;
  const only = (targetPort: number): unknown => ({ ports: [{ servicePort: 80, targetPort }] });
  test.each([
    ["8081", only(8081)],
    ["http", only(8080)],
    ["side", only(2)],
    ["setup", {}],
    ["udp", {}],
    ["gone", {}],
    ["0", only(80)],
  ])("behind target %s", (target, expected) =>
    expect(translate(service(target) + pod("labels: { app: web }", containers))[UID]).toHaveProperty("services", {
      "shop/s.shop.svc.cluster.local": expected,
    }),
  );
});
