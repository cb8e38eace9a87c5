// SPDX-License-Identifier: Apache-2.0
// Against a real etcd and kube-apiserver; `KUBE_BIN` names the folder they are in.
import { ISTIO_DEFINITIONS } from "@ambientmesh/api/istio";
import { RESOURCES } from "@ambientmesh/kube";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { ISTIO_RESOURCES } from "../../src/sources/istio-resources.ts";
import { applyYaml, namespaceYaml, rootOf, startIstiod, type TestIstiod } from "../support/mesh.ts";
import { realKubeMissing, startRealKube, type RealKube } from "../support/real-kube.ts";
import { TestZtunnel } from "../support/ztunnel.ts";

const PATIENT = { timeout: 20_000, interval: 50 };
const title = realKubeMissing === undefined ? "a real API server" : `a real API server (skipped: ${realKubeMissing})`;

describe.skipIf(realKubeMissing !== undefined)(title, () => {
  let kube: RealKube;
  let istiod: TestIstiod;

  beforeAll(async () => {
    kube = await startRealKube();
    await applyYaml(kube.client, ["istio-system", "shop"].map((name) => namespaceYaml(name)).join("---"));
    istiod = await startIstiod(kube.client);
  }, 120_000);

  afterAll(async () => {
    await istiod?.[Symbol.asyncDispose]();
    await kube?.[Symbol.asyncDispose]();
  });

  it("takes our definitions, and istiod reads the kinds once they are there", async () => {
    for (const definition of ISTIO_DEFINITIONS) {
      await kube.client.create(RESOURCES.CustomResourceDefinition, definition);
    }
    await vi.waitFor(async () => {
      for (const { metadata } of ISTIO_DEFINITIONS) {
        const { status } = await kube.client.get(RESOURCES.CustomResourceDefinition, { name: metadata.name });
        const conditions = Object.fromEntries((status?.conditions ?? []).map(({ type, status: is }) => [type, is]));
        expect({ name: metadata.name, ...conditions }).toEqual({
          name: metadata.name,
          NamesAccepted: "True",
          Established: "True",
        });
      }
    }, PATIENT);
  });

  it("shows what istiod writes: roots, conditions, addresses", async () => {
    await applyYaml(
      kube.client,
      `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: shop }
spec: { rules: [{ from: [{ source: { namespaces: [shop] } }] }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: e, namespace: shop, labels: { istio.io/use-waypoint: gone } }
spec: { hosts: [a.example.com], resolution: DNS, ports: [{ number: 443, name: tls, protocol: TLS }] }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, labels: { istio.io/use-waypoint: gone } }
spec: { ports: [{ port: 80 }] }
`,
    );
    expect(await rootOf(kube.client, "shop")).toMatch("BEGIN CERTIFICATE");
    const place = { namespace: "shop" };
    await vi.waitFor(async () => {
      const policy = await kube.client.get(ISTIO_RESOURCES.AuthorizationPolicy, { ...place, name: "p" });
      expect(policy.status?.conditions).toMatchObject([{ type: "ZtunnelAccepted", status: "True" }]);
      const service = await kube.client.get(RESOURCES.Service, { ...place, name: "web" });
      expect(service.status?.conditions).toMatchObject([{ type: "istio.io/WaypointBound", status: "False" }]);
      const entry = await kube.client.get(ISTIO_RESOURCES.ServiceEntry, { ...place, name: "e" });
      expect(entry.status?.conditions).toMatchObject([{ type: "istio.io/WaypointBound", status: "False" }]);
      expect(entry.status?.addresses?.map(({ value }) => value)).toEqual(["240.240.0.1", "2001:2::1"]);
    }, PATIENT);
  });

  it("refuses what the schemas refuse", async () => {
    const wrong = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: wrong, namespace: shop }
spec: { action: MAYBE }
`;
    await expect(applyYaml(kube.client, wrong)).rejects.toMatchObject({ code: "KUBE_INVALID" });
  });

  it("leads to resources at clients", async () => {
    using ztunnel = new TestZtunnel({ address: istiod.address.grpc });
    await ztunnel.until(() => ztunnel.addresses.has("shop/a.example.com") && ztunnel.authorizations.has("shop/p"));
    expect(ztunnel.status).toBeUndefined();
  });
});
