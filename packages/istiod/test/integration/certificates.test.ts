// SPDX-License-Identifier: Apache-2.0
import { connect } from "node:tls";
import { once } from "node:events";
import { RESOURCES } from "@ambientmesh/kube";
import { parseSpiffeId, svidFromIssuedChain } from "@ambientmesh/spiffe";
import { GRPC_STATUS } from "@ambientmesh/xds";
import { afterAll, beforeAll, describe, expect, it, test, vi } from "vitest";
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
import { requestCertificate, type CertificateOptions, type ZtunnelOptions } from "../support/ztunnel.ts";

const idOf = (account: string, namespace = "shop") =>
  parseSpiffeId(`spiffe://cluster.local/ns/${namespace}/sa/${account}`);
const WEB = idOf("web");
/** Writes to one object are a second apart. */
const PATIENT = { timeout: 10_000, interval: 20 };

let kube: TestKube;
let istiod: TestIstiod;
let ztunnel: ZtunnelOptions;

beforeAll(async () => {
  kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("istio-system", "ztunnel", "default"));
  await applyYaml(kube.client, namespaceYaml("shop", "web", "db", "default"));
  await applyYaml(
    kube.client,
    podYaml({ name: "ztunnel-n1", namespace: "istio-system", account: "ztunnel", ip: "10.0.0.9" }),
  );
  await applyYaml(kube.client, podYaml({ name: "web", account: "web", node: "n1" }));
  await applyYaml(kube.client, podYaml({ name: "db", account: "db", node: "n2", ip: "10.0.0.2" }));
  istiod = await startIstiod(kube.client);
  const token = await podToken(kube.client, { name: "ztunnel-n1", namespace: "istio-system", account: "ztunnel" });
  ztunnel = { address: istiod.address.secureGrpc, rootPem: await rootOf(kube.client), token };
});

afterAll(async () => {
  await istiod?.[Symbol.asyncDispose]();
  await kube?.[Symbol.asyncDispose]();
});

const ask = (change: Partial<CertificateOptions>) =>
  requestCertificate({ ...ztunnel, id: WEB, impersonate: WEB, ...change });

describe("a ztunnel", () => {
  it("gets the certificate of a pod on its node, which verifies up to the root in the ConfigMap", async () => {
    const { chain, privateKey } = await ask({ validitySeconds: 60 });
    const svid = svidFromIssuedChain({ id: WEB, chain, privateKey });
    expect(chain.at(-1)?.trim()).toBe(ztunnel.rootPem?.trim());
    expect(svid.notAfterMs - Date.now()).toBeLessThanOrEqual(60_000);
  });

  it("gets the certificate of a pod that has just come", async () => {
    await applyYaml(kube.client, podYaml({ name: "late", account: "default", node: "n1", ip: "10.0.0.3" }));
    const chain = await vi.waitFor(
      async () => (await ask({ id: idOf("default"), impersonate: idOf("default") })).chain,
    );
    expect(chain).toHaveLength(2);
  });

  test.each([
    ["a pod on another node", idOf("db")],
    ["an account without pod", idOf("nobody")],
    ["itself in another namespace", idOf("ztunnel", "shop")],
    ["another trust domain", "spiffe://elsewhere/ns/shop/sa/web"],
    ["nonsense", "web"],
  ])("is refused the identity of %s, in the same words each time", async (_what, impersonate) => {
    await expect(ask({ impersonate })).rejects.toMatchObject({
      code: GRPC_STATUS.UNAUTHENTICATED,
      details: "request impersonation authentication failure",
    });
  });

  it("is refused too long a life and a request that is none", async () => {
    await expect(ask({ validitySeconds: 90 * 86_400 + 1 })).rejects.toMatchObject({
      code: GRPC_STATUS.INVALID_ARGUMENT,
    });
  });
});

describe("an ordinary pod", () => {
  it("gets its own certificate, whatever its request names, and nobody else's", async () => {
    const token = await podToken(kube.client, { name: "web", namespace: "shop", account: "web" });
    const { chain, privateKey } = await requestCertificate({ ...ztunnel, token, id: idOf("db") });
    expect(svidFromIssuedChain({ id: WEB, chain, privateKey }).id).toBe(WEB);
    await expect(ask({ token, impersonate: WEB })).rejects.toMatchObject({ code: GRPC_STATUS.UNAUTHENTICATED });
  });
});

it("counts what was issued and what was refused", async () => {
  const text = await istiod.metrics.render("prometheus");
  const valueOf = (name: string): number => Number(new RegExp(`^${name} (\\d+)`, "m").exec(text)?.[1]);
  expect(valueOf("citadel_server_success_cert_issuance_count")).toBeGreaterThanOrEqual(3);
  expect(valueOf("citadel_server_impersonation_failure_count")).toBeGreaterThanOrEqual(6);
  expect(text).toMatch(/^citadel_server_root_cert_expiry_seconds \d{9}/m);
});

describe("the root", () => {
  it("is in every namespace but those without pods of users, and is repaired", async () => {
    const roots = async (): Promise<unknown> => {
      const maps = await kube.client.list(RESOURCES.ConfigMap, { fieldSelector: "metadata.name=istio-ca-root-cert" });
      return maps.map(({ metadata, data }) => [metadata.namespace, data?.["root-cert.pem"] === ztunnel.rootPem]);
    };
    const expected = ["default", "istio-system", "kube-system", "shop"].map((name) => [name, true]);
    await vi.waitFor(async () => expect(await roots()).toEqual(expected), PATIENT);
    const ref = { namespace: "shop", name: "istio-ca-root-cert" };
    await kube.client.mergePatch(RESOURCES.ConfigMap, ref, { data: { "root-cert.pem": "tampered" } });
    await vi.waitFor(async () => expect(await roots()).toEqual(expected), PATIENT);
    await kube.client.delete(RESOURCES.ConfigMap, ref);
    await vi.waitFor(async () => expect(await roots()).toEqual(expected), PATIENT);
    await applyYaml(kube.client, namespaceYaml("bank"));
    await vi.waitFor(async () => expect(await roots()).toContainEqual(["bank", true]), PATIENT);
  });

  it("is kept in Istio's Secret", async () => {
    const secret = await kube.client.get(RESOURCES.Secret, { namespace: "istio-system", name: "istio-ca-secret" });
    expect(secret.type).toBe("istio.io/ca-root");
    expect(Object.keys(secret.data ?? {}).sort()).toEqual([
      "ca-cert.pem",
      "ca-key.pem",
      "cert-chain.pem",
      "key.pem",
      "root-cert.pem",
    ]);
  });

  it("signs the serving certificate for istiod's names", async () => {
    const [host = "", port] = istiod.address.secureGrpc.split(":");
    const socket = connect({
      host,
      port: Number(port),
      servername: "istiod.istio-system.svc",
      ca: ztunnel.rootPem,
      ALPNProtocols: ["h2"],
    });
    await once(socket, "secureConnect");
    const certificate = socket.getPeerX509Certificate();
    expect(certificate?.subjectAltName).toBe(
      "DNS:istio-pilot.istio-system.svc, DNS:istiod-remote.istio-system.svc, DNS:istiod.istio-system.svc",
    );
    expect({ protocol: socket.getProtocol(), alpn: socket.alpnProtocol }).toEqual({ protocol: "TLSv1.3", alpn: "h2" });
    socket.destroy();
  });
});
