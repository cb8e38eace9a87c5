// SPDX-License-Identifier: Apache-2.0
import { RESOURCES, type Resource } from "@ambientmesh/kube";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { GATEWAY_RESOURCES } from "../../src/sources/istio-resources.ts";
import {
  applyYaml,
  namespaceYaml,
  startIstiod,
  startKube,
  testConfig,
  type TestIstiod,
  type TestKube,
} from "../support/mesh.ts";
import { TestZtunnel } from "../support/ztunnel.ts";

const PATIENT = { timeout: 15_000, interval: 50 };
const PLACE = { namespace: "shop", name: "wp" };

let kube: TestKube;
let istiod: TestIstiod;

beforeAll(async () => {
  kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("shop"));
  istiod = await startIstiod(kube.client, testConfig({ WAYPOINT_IMAGE: "waypoint:1" }));
});

afterAll(async () => {
  await istiod?.[Symbol.asyncDispose]();
  await kube?.[Symbol.asyncDispose]();
});

const gateway = (name: string): string => `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: shop }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
`;
const service = (name: string, labels: string): string => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: shop, labels: { ${labels} } }
spec: { ports: [{ port: 80 }] }
`;

it("the class of waypoints is there", async () => {
  await vi.waitFor(async () => {
    const found = await kube.client.get(GATEWAY_RESOURCES.GatewayClass, { name: "istio-waypoint" });
    expect(found).toMatchObject({
      spec: { controllerName: "istio.io/mesh-controller" },
      status: { conditions: [{ type: "Accepted", status: "True" }] },
    });
  }, PATIENT);
});

it("a Gateway becomes a waypoint when a pod of it is ready, and services are told", async () => {
  await applyYaml(kube.client, [gateway("wp"), service("web", "istio.io/use-waypoint: wp")].join("---"));
  await vi.waitFor(async () => {
    const made: readonly Resource[] = [RESOURCES.ServiceAccount, RESOURCES.Deployment, RESOURCES.Service];
    for (const resource of made) {
      expect(await kube.client.find(resource, PLACE)).toMatchObject({
        metadata: { labels: { "gateway.istio.io/managed": "istio.io-mesh-controller" } },
      });
    }
    const { status } = await kube.client.get(GATEWAY_RESOURCES.Gateway, PLACE);
    expect(status?.conditions).toMatchObject([{ type: "Accepted" }, { type: "Programmed", status: "False" }]);
  }, PATIENT);
  await applyYaml(
    kube.client,
    `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: wp-x, namespace: shop, labels: { kubernetes.io/service-name: wp } }
addressType: IPv4
endpoints: [{ addresses: [10.0.0.8], conditions: { ready: true } }]
`,
  );
  using ztunnel = new TestZtunnel({ address: istiod.address.grpc });
  await ztunnel.until(() => {
    const web = ztunnel.addresses.get("shop/web.shop.svc.cluster.local")?.type;
    return web?.case === "service" && web.value.waypoint !== undefined;
  });
  const { status } = await kube.client.get(GATEWAY_RESOURCES.Gateway, PLACE);
  expect(status?.addresses?.at(-1)).toEqual({ type: "Hostname", value: "wp.shop.svc.cluster.local" });
});

it("what is not ours is not written over", async () => {
  await applyYaml(kube.client, service("taken", "app: other"));
  await applyYaml(kube.client, gateway("taken"));
  await vi.waitFor(async () => {
    const { status } = await kube.client.get(GATEWAY_RESOURCES.Gateway, { namespace: "shop", name: "taken" });
    expect(status?.conditions?.[1]).toMatchObject({ message: "Service taken is there already and is not ours" });
  }, PATIENT);
  const { metadata } = await kube.client.get(RESOURCES.Service, { namespace: "shop", name: "taken" });
  expect(metadata.labels).toEqual({ app: "other" });
  expect(await kube.client.find(RESOURCES.Deployment, { namespace: "shop", name: "taken" })).toBeUndefined();
});
