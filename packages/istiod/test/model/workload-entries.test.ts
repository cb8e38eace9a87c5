// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { policiesOf, modelOf, translate } from "../support/translate.ts";

const UID = "c1/networking.istio.io/WorkloadEntry/shop/vm";
const entry = (spec: string, metadata = ""): string => `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: vm, namespace: shop, ${metadata} }
spec: { ${spec} }
`;

describe("a WorkloadEntry", () => {
  it("is described in full", () => {
    const service = `---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { selector: { app: web }, clusterIP: 10.1.0.1, ports: [{ name: http, port: 80, targetPort: http }, { name: raw, port: 81, targetPort: 8081 }, { name: gone, port: 82, targetPort: gone }] }
`;
    const spec =
      "address: 10.2.0.1, ports: { http: 8080 }, labels: { app: web }, network: n2, locality: eu/a, weight: 5, serviceAccount: web";
    expect(translate(entry(spec, "labels: { version: v3 }") + service)[UID]).toMatchInlineSnapshot(`
      {
        "addresses": [
          "10.2.0.1",
        ],
        "canonicalName": "web",
        "canonicalRevision": "v3",
        "capacity": 5,
        "clusterId": "c1",
        "locality": {
          "region": "eu",
          "zone": "a",
        },
        "name": "vm",
        "namespace": "shop",
        "network": "n2",
        "serviceAccount": "web",
        "services": {
          "shop/web.shop.svc.cluster.local": {
            "ports": [
              {
                "servicePort": 80,
                "targetPort": 8080,
              },
              {
                "servicePort": 81,
                "targetPort": 8081,
              },
            ],
          },
        },
        "uid": "c1/networking.istio.io/WorkloadEntry/shop/vm",
        "workloadName": "vm",
        "workloadType": "POD",
      }
    `);
  });

  test.each([
    [
      "takes HBONE by a label",
      "address: 10.2.0.1",
      "labels: { networking.istio.io/tunnel: http }",
      { nativeTunnel: true, tunnelProtocol: "HBONE" },
    ],
    [
      "takes HBONE by the annotation",
      "address: 10.2.0.1",
      "annotations: { ambient.istio.io/redirection: enabled }",
      { tunnelProtocol: "HBONE" },
    ],
    ["may be a host name", "address: vm.example.com", "", { hostname: "vm.example.com" }],
  ])("%s", (_what, spec, metadata, expected) => {
    expect(translate(entry(spec, metadata))[UID]).toMatchObject(expected);
  });

  it.each(["address: unix:///run/a", ""])("gives no workload for { %s }", (spec) => {
    expect(translate(entry(spec))).toEqual({});
  });

  it("is selected by policies through the labels of its spec", () => {
    const policy = `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: deny, namespace: shop }
spec: { selector: { matchLabels: { app: web } }, action: DENY, rules: [{}] }
`;
    expect(policiesOf(modelOf(entry("address: 10.2.0.1, labels: { app: web }") + policy), UID)).toEqual(["shop/deny"]);
  });
});
