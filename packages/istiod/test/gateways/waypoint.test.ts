// SPDX-License-Identifier: Apache-2.0
import type { Gateway, Service } from "@ambientmesh/api/kubernetes";
import { describe, expect, it, test } from "vitest";
import { desiredGatewayStatus, type GatewayFacts } from "../../src/gateways/gateway-status.ts";
import { waypointObjects } from "../../src/gateways/waypoint-objects.ts";

const GATEWAY: Gateway = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "Gateway",
  metadata: {
    name: "wp",
    namespace: "shop",
    uid: "u1",
    generation: 3,
    labels: { team: "a" },
    annotations: { note: "x", "kubectl.kubernetes.io/last-applied-configuration": "{}" },
  },
  spec: { gatewayClassName: "istio-waypoint", listeners: [{ name: "mesh", port: 15_008, protocol: "HBONE" }] },
};
const OPTIONS = {
  image: "waypoint:1",
  clusterId: "c1",
  domain: "cluster.local",
  trustDomain: "cluster.local",
  network: "",
  controlPlane: "istiod.istio-system.svc:15012",
};

describe("the objects of a waypoint", () => {
  it("belong to the Gateway and carry its labels", () => {
    const { serviceAccount, deployment, service } = waypointObjects(GATEWAY, OPTIONS);
    expect(serviceAccount).toMatchInlineSnapshot(`
      {
        "metadata": {
          "annotations": {
            "note": "x",
          },
          "labels": {
            "gateway.istio.io/managed": "istio.io-mesh-controller",
            "gateway.networking.k8s.io/gateway-class-name": "istio-waypoint",
            "gateway.networking.k8s.io/gateway-name": "wp",
            "team": "a",
          },
          "name": "wp",
          "namespace": "shop",
          "ownerReferences": [
            {
              "apiVersion": "gateway.networking.k8s.io/v1",
              "kind": "Gateway",
              "name": "wp",
              "uid": "u1",
            },
          ],
        },
      }
    `);
    expect(service).toMatchInlineSnapshot(`
      {
        "metadata": {
          "annotations": {
            "networking.istio.io/traffic-distribution": "PreferClose",
            "note": "x",
          },
          "labels": {
            "gateway.istio.io/managed": "istio.io-mesh-controller",
            "gateway.networking.k8s.io/gateway-class-name": "istio-waypoint",
            "gateway.networking.k8s.io/gateway-name": "wp",
            "team": "a",
          },
          "name": "wp",
          "namespace": "shop",
          "ownerReferences": [
            {
              "apiVersion": "gateway.networking.k8s.io/v1",
              "kind": "Gateway",
              "name": "wp",
              "uid": "u1",
            },
          ],
        },
        "spec": {
          "ipFamilyPolicy": "PreferDualStack",
          "ports": [
            {
              "appProtocol": "tcp",
              "name": "status-port",
              "port": 15021,
              "protocol": "TCP",
            },
            {
              "appProtocol": "hbone",
              "name": "mesh",
              "port": 15008,
              "protocol": "TCP",
            },
          ],
          "selector": {
            "gateway.networking.k8s.io/gateway-name": "wp",
          },
          "type": "ClusterIP",
        },
      }
    `);
    expect(deployment.metadata).toEqual(serviceAccount.metadata);
    expect(deployment.spec).not.toHaveProperty("replicas");
    const template = deployment.spec?.template;
    expect(deployment.spec?.selector?.matchLabels).toEqual({ "gateway.networking.k8s.io/gateway-name": "wp" });
    expect(template?.metadata?.labels).toMatchObject({
      team: "a",
      "gateway.networking.k8s.io/gateway-name": "wp",
      "istio.io/dataplane-mode": "none",
      "sidecar.istio.io/inject": "false",
    });
    expect(template?.spec?.containers?.[0]).toMatchObject({
      image: "waypoint:1",
      args: [
        "proxy",
        "waypoint",
        "--domain",
        "$(POD_NAMESPACE).svc.cluster.local",
        "--serviceCluster",
        "wp.$(POD_NAMESPACE)",
      ],
      securityContext: { runAsNonRoot: true, capabilities: { drop: ["ALL"] } },
    });
  });

  it("have what infrastructure says instead of the Gateway's own labels, and its service account", () => {
    const { metadata, spec } = GATEWAY;
    const gateway: Gateway = {
      ...GATEWAY,
      metadata: { ...metadata, annotations: { "gateway.istio.io/service-account": "other" } },
      spec: { ...spec, infrastructure: { labels: { tier: "edge" } } },
    };
    const { serviceAccount, deployment } = waypointObjects(gateway, OPTIONS);
    expect(serviceAccount.metadata.name).toBe("other");
    expect(deployment.spec?.template?.spec?.serviceAccountName).toBe("other");
    expect(deployment.metadata.labels).toMatchObject({ tier: "edge" });
    expect(deployment.metadata.labels).not.toHaveProperty("team");
    expect(deployment.metadata.annotations).toEqual({});
  });
});

describe("the status of a waypoint", () => {
  const NOW = new Date("2026-05-05T05:05:05.555Z");
  const SERVICE: Service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "wp", namespace: "shop" },
    spec: { clusterIP: "10.1.0.9" },
  };
  const READY: GatewayFacts = { service: SERVICE, hasEndpoint: true, problem: undefined, domain: "cluster.local" };
  const conditions = (gateway: Gateway, facts: GatewayFacts): unknown =>
    desiredGatewayStatus(gateway, facts, NOW)?.conditions?.map(
      ({ type, status, reason }) => `${type} ${status} ${reason}`,
    );

  test.each<readonly [string, GatewayFacts, readonly string[], string]>([
    ["waits for its service", { ...READY, service: undefined }, [], "Programmed False AddressNotAssigned"],
    ["waits for a pod", { ...READY, hasEndpoint: false }, [], "Programmed False AddressNotAssigned"],
    ["says why there is none", { ...READY, problem: "no image" }, [], "Programmed False AddressNotAssigned"],
    ["has addresses", READY, ["10.1.0.9", "wp.shop.svc.cluster.local"], "Programmed True Programmed"],
  ])("%s", (_what, facts, addresses, programmed) => {
    const status = desiredGatewayStatus(GATEWAY, facts, NOW);
    expect(status?.addresses?.map(({ value }) => value)).toEqual(addresses);
    expect(conditions(GATEWAY, facts)).toEqual(["Accepted True Accepted", programmed]);
  });

  it("is written once, and keeps its addresses while pods restart", () => {
    const status = desiredGatewayStatus(GATEWAY, READY, NOW);
    const written: Gateway = { ...GATEWAY, ...(status && { status }) };
    expect(desiredGatewayStatus(written, READY, new Date())).toBeUndefined();
    expect(desiredGatewayStatus(written, { ...READY, hasEndpoint: false }, new Date())).toBeUndefined();
    expect(desiredGatewayStatus(written, { ...READY, service: undefined }, NOW)?.addresses).toEqual([]);
  });

  it("refuses listeners that no waypoint has", () => {
    const { spec } = GATEWAY;
    const listeners = [{ name: "web", port: 80, protocol: "HTTP" }];
    const status = desiredGatewayStatus({ ...GATEWAY, spec: { ...spec, listeners } }, READY, NOW);
    expect(status?.listeners?.[0]?.conditions[0]).toMatchObject({
      type: "Accepted",
      status: "False",
      reason: "UnsupportedProtocol",
    });
  });
});
