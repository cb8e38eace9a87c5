// SPDX-License-Identifier: Apache-2.0
import { RESOURCES, connectKube } from "@ambientmesh/kube";
import { createLocalKube } from "@ambientmesh/kube/local";
import { GRPC_STATUS } from "@ambientmesh/xds";
import { expect, it, vi } from "vitest";
import { ISTIO_DEFINITIONS } from "../support/istio-definitions.ts";
import {
  applyYaml,
  createIstiod,
  namespaceYaml,
  podYaml,
  rootOf,
  startIstiod,
  startKube,
  testConfig,
  type TestIstiod,
} from "../support/mesh.ts";
import { TestZtunnel } from "../support/ztunnel.ts";

const getStatus = async (url: string): Promise<number> => (await fetch(url)).status;

it("keeps its root over a restart, and replicas share it", async () => {
  await using kube = await startKube();
  let root: string;
  {
    await using _first = await startIstiod(kube.client);
    root = await rootOf(kube.client);
  }
  const replicas = await Promise.all([
    startIstiod(kube.client),
    startIstiod(kube.client, testConfig({ POD_NAME: "b" })),
  ]);
  await kube.client.delete(RESOURCES.ConfigMap, { namespace: "istio-system", name: "istio-ca-root-cert" });
  expect(await rootOf(kube.client)).toBe(root);
  for (const replica of replicas) await replica[Symbol.asyncDispose]();
});

it("serves again what the API says after the API server was away, and serves on meanwhile", async () => {
  const start = async (port: number) => {
    const server = createLocalKube(
      {},
      { definitions: ISTIO_DEFINITIONS, tokens: [{ token: "admin", username: "admin", groups: ["system:masters"] }] },
    );
    await server.start();
    const address = await server.listen({ host: "127.0.0.1", port });
    const client = await connectKube({ kind: "server", server: `http://127.0.0.1:${address.port}`, token: "admin" });
    return { server, client, port: address.port };
  };
  const first = await start(0);
  await applyYaml(first.client, namespaceYaml("istio-system"));
  await applyYaml(first.client, namespaceYaml("shop", "default"));
  await applyYaml(first.client, podYaml({ name: "web" }));
  await using istiod = await startIstiod(first.client);
  using ztunnel = new TestZtunnel({ address: istiod.address.grpc });
  await ztunnel.until(() => ztunnel.addresses.has("Kubernetes//Pod/shop/web"));
  await first.server[Symbol.asyncDispose]();

  using late = new TestZtunnel({ address: istiod.address.grpc });
  await late.until(() => late.addresses.has("Kubernetes//Pod/shop/web"));
  expect(await getStatus(`${istiod.url.http}/ready`)).toBe(200);

  const second = await start(first.port);
  await applyYaml(second.client, namespaceYaml("shop", "default"));
  await applyYaml(second.client, podYaml({ name: "web" }));
  await applyYaml(second.client, podYaml({ name: "new", ip: "10.0.0.2" }));
  await ztunnel.until(() => ztunnel.addresses.has("Kubernetes//Pod/shop/new"), 20_000);
  expect(ztunnel.addresses.has("Kubernetes//Pod/shop/web")).toBe(true);
  first.client[Symbol.dispose]();
  second.client[Symbol.dispose]();
  await second.server[Symbol.asyncDispose]();
});

it("is ready only when everything is synced", async () => {
  const server = createLocalKube({}, { definitions: ISTIO_DEFINITIONS });
  const client = await connectKube({ kind: "in-process", connect: () => server.connect(), token: server.adminToken });
  const { istiod } = createIstiod(client);
  await using _istiod = istiod;
  const starting = istiod.start();
  const port = await vi.waitFor(() => istiod.addresses.http?.port ?? Promise.reject(new Error("not listening yet")));
  const url = `http://127.0.0.1:${port}/ready`;
  const answer = await fetch(url);
  expect({ status: answer.status, text: await answer.text() }).toEqual({
    status: 500,
    text: "not ready, pending: mesh config, start\n",
  });
  await server.start();
  await applyYaml(client, namespaceYaml("istio-system"));
  await starting;
  expect(await getStatus(url)).toBe(200);
  await istiod[Symbol.asyncDispose]();
  client[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

it("says at shutdown that it is going, ends streams so that clients come back elsewhere, and closes its ports", async () => {
  await using kube = await startKube();
  const istiod: TestIstiod = await startIstiod(kube.client);
  using ztunnel = new TestZtunnel({ address: istiod.address.grpc });
  await ztunnel.synced();
  await istiod[Symbol.asyncDispose]();
  expect(await ztunnel.ended()).toMatchObject({ code: GRPC_STATUS.UNAVAILABLE });
  await expect(fetch(`${istiod.url.http}/ready`)).rejects.toThrow("fetch failed");
  expect(istiod.istiod.addresses.secureGrpc).toBeUndefined();
});

it("takes down nothing when an object can't be read", async () => {
  await using kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("shop", "default"));
  await applyYaml(
    kube.client,
    `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: bad, namespace: shop }
spec: { action: DENY, rules: 5 }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: bad, namespace: shop }
spec: { mtls: [nonsense] }
---${podYaml({ name: "web" })}`,
  );
  await using istiod = await startIstiod(kube.client);
  using ztunnel = new TestZtunnel({ address: istiod.address.grpc });
  await ztunnel.until(() => ztunnel.addresses.size === 1 && ztunnel.authorizations.size === 2);
  expect(ztunnel.authorizations.get("shop/bad")).toMatchObject({ action: 1, groups: [{ rules: [] }] });
  const reasons = istiod.log.records
    .filter(({ event }) => event === "object can't be understood")
    .map(({ fields }) => `${String(fields?.["collection"])} ${String(fields?.["key"])}: ${String(fields?.["reason"])}`);
  expect(reasons).toEqual(
    expect.arrayContaining([
      "policies shop/bad: spec.rules is no list",
      "peer authentications shop/bad: spec.mtls is no mapping",
    ]),
  );
  const metrics = await istiod.metrics.render("prometheus");
  expect(metrics).toMatch(/^istiod_derivation_failures_total\{collection="policies"\} [1-9]/m);
});

it("tells a client about 2,000 pods", async () => {
  await using kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("shop", "default"));
  const pods = Array.from({ length: 2000 }, (_, at) => podYaml({ name: `p${at}`, ip: `10.1.${at >> 8}.${at & 255}` }));
  for (let at = 0; at < pods.length; at += 100)
    await Promise.all(pods.slice(at, at + 100).map((pod) => applyYaml(kube.client, pod)));
  const begin = performance.now();
  await using istiod = await startIstiod(kube.client);
  const readyMs = performance.now() - begin;
  using ztunnel = new TestZtunnel({ address: istiod.address.grpc });
  await ztunnel.until(() => ztunnel.addresses.size === 2000);
  const syncedMs = performance.now() - begin - readyMs;
  process.stdout.write(
    `2,000 pods: istiod ready in ${readyMs.toFixed(0)} ms, a client synced in ${syncedMs.toFixed(0)} ms\n`,
  );
  expect(ztunnel.responses.length).toBeLessThan(10);
});
