// SPDX-License-Identifier: Apache-2.0
import { TunnelProtocol } from "@ambientmesh/api/workload";
import { RESOURCES } from "@ambientmesh/kube";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  applyYaml,
  namespaceYaml,
  podToken,
  podYaml,
  rootOf,
  startIstiod,
  startKube,
  type TestIstiod,
  type TestKube,
} from "../support/mesh.ts";
import { TestZtunnel, type ZtunnelOptions } from "../support/ztunnel.ts";

const POLICY = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: only-front, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  rules: [{ from: [{ source: { principals: [cluster.local/ns/shop/sa/front] } }] }]
`;
const WEB = "Kubernetes//Pod/shop/web";

let kube: TestKube;
let istiod: TestIstiod;
let ztunnel: ZtunnelOptions;

beforeAll(async () => {
  kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("istio-system", "ztunnel", "default"));
  await applyYaml(kube.client, namespaceYaml("shop", "web", "front", "default"));
  await applyYaml(
    kube.client,
    podYaml({ name: "ztunnel-n1", namespace: "istio-system", account: "ztunnel", ip: "10.0.0.9" }),
  );
  await applyYaml(kube.client, podYaml({ name: "web", account: "web", labels: "app: web" }));
  await applyYaml(
    kube.client,
    `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.96.0.10, selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`,
  );
  istiod = await startIstiod(kube.client);
  const token = await podToken(kube.client, { name: "ztunnel-n1", namespace: "istio-system", account: "ztunnel" });
  ztunnel = { address: istiod.address.secureGrpc, rootPem: await rootOf(kube.client), token };
});

afterAll(async () => {
  await istiod?.[Symbol.asyncDispose]();
  await kube?.[Symbol.asyncDispose]();
});

const workloadOf = (client: TestZtunnel, uid = WEB) => {
  const { type } = client.addresses.get(uid) ?? {};
  return type?.case === "workload" ? type.value : undefined;
};

describe("a ztunnel", () => {
  it("gets workloads, services and policies over TLS", async () => {
    await applyYaml(kube.client, POLICY);
    using client = new TestZtunnel(ztunnel);
    await client.synced();
    await client.until(() => client.authorizations.has("shop/only-front"));
    expect(workloadOf(client)).toMatchObject({
      name: "web",
      node: "n1",
      serviceAccount: "web",
      authorizationPolicies: ["shop/only-front"],
      services: { "shop/web.shop.svc.cluster.local": { ports: [{ servicePort: 80, targetPort: 8080 }] } },
    });
    expect(client.addresses.get("shop/web.shop.svc.cluster.local")?.type.case).toBe("service");
    expect(Object.values(client.versions).flatMap((versions) => Object.values(versions))).not.toContain("");
  });

  it("learns of enrolment, policy edits and removals while it is connected", async () => {
    using client = new TestZtunnel(ztunnel);
    await client.synced();
    const patch = { metadata: { annotations: { "ambient.istio.io/redirection": "enabled" } } };
    await kube.client.mergePatch(RESOURCES.Pod, { namespace: "shop", name: "web" }, patch);
    await client.until(() => workloadOf(client)?.tunnelProtocol === TunnelProtocol.HBONE);
    await applyYaml(kube.client, POLICY.replace("sa/front", "sa/back"));
    await client.until(() => JSON.stringify(client.authorizations.get("shop/only-front")).includes("sa/back"));
    await applyYaml(kube.client, podYaml({ name: "late", ip: "10.0.0.7" }));
    await client.until(() => client.addresses.has("Kubernetes//Pod/shop/late"));
    await kube.client.delete(RESOURCES.Pod, { namespace: "shop", name: "late" }, { gracePeriodSeconds: 0 });
    await client.until(() => !client.addresses.has("Kubernetes//Pod/shop/late"));
    expect(client.status).toBeUndefined();
  });

  it("is sent only what has changed when it comes back", async () => {
    using first = new TestZtunnel(ztunnel);
    await first.synced();
    await first.until(() => first.addresses.size >= 3 && first.authorizations.size === 1);
    using second = new TestZtunnel({ ...ztunnel, claims: structuredClone(first.versions) });
    await second.synced();
    expect(
      second.responses.map(({ resources, removedResources }) => resources.length + removedResources.length),
    ).toEqual([0, 0]);

    const claims = structuredClone(first.versions);
    const [addressType = ""] = Object.keys(claims);
    claims[addressType] = { ...claims[addressType], [WEB]: "old", "Kubernetes//Pod/shop/gone": "1" };
    using third = new TestZtunnel({ ...ztunnel, claims });
    await third.synced();
    expect(third.responses.flatMap(({ resources }) => resources.map(({ name }) => name))).toEqual([WEB]);
    expect(third.responses.flatMap(({ removedResources }) => removedResources)).toEqual(["Kubernetes//Pod/shop/gone"]);
  });

  it("can also use the plaintext port on loopback, without a token", async () => {
    using client = new TestZtunnel({ address: istiod.address.grpc });
    await client.synced();
    expect(workloadOf(client)).toBeDefined();
  });
});
