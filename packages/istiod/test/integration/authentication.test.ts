// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync, sign } from "node:crypto";
import { RESOURCES } from "@ambientmesh/kube";
import { parseSpiffeId, privateKeyPem } from "@ambientmesh/spiffe";
import { createTestAuthority } from "@ambientmesh/testkit";
import { GRPC_STATUS } from "@ambientmesh/xds";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
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
import { TestZtunnel, requestCertificate, type ZtunnelOptions } from "../support/ztunnel.ts";

const ZTUNNEL = { name: "ztunnel-n1", namespace: "istio-system", account: "ztunnel" };
const ID = parseSpiffeId("spiffe://cluster.local/ns/istio-system/sa/ztunnel");

let kube: TestKube;
let istiod: TestIstiod;
let base: ZtunnelOptions;
const tokens: Record<string, string> = {};

/** A token that nobody's API server has signed. */
function forgedToken(): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const claims = { sub: "system:serviceaccount:istio-system:ztunnel", aud: ["istio-ca"], exp: 4_102_444_800 };
  const text = `${encode({ alg: "ES256", typ: "JWT" })}.${encode(claims)}`;
  return `${text}.${sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

beforeAll(async () => {
  kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("istio-system", "ztunnel", "default"));
  await applyYaml(kube.client, namespaceYaml("shop", "web", "default"));
  await applyYaml(kube.client, podYaml({ ...ZTUNNEL, ip: "10.0.0.9" }));
  await applyYaml(
    kube.client,
    podYaml({ name: "ztunnel-old", namespace: "istio-system", account: "ztunnel", ip: "10.0.0.8" }),
  );
  await applyYaml(kube.client, podYaml({ name: "web", account: "web" }));
  istiod = await startIstiod(kube.client);
  tokens["good"] = await podToken(kube.client, ZTUNNEL);
  tokens["for another audience"] = await podToken(kube.client, ZTUNNEL, "vault");
  tokens["of a pod that is gone"] = await podToken(kube.client, { ...ZTUNNEL, name: "ztunnel-old" });
  await kube.client.delete(
    RESOURCES.Pod,
    { namespace: "istio-system", name: "ztunnel-old" },
    { gracePeriodSeconds: 0 },
  );
  tokens["forged"] = forgedToken();
  tokens["malformed"] = "nonsense";
  tokens["of the administrator"] = kube.server.adminToken;
  base = { address: istiod.address.secureGrpc, rootPem: await rootOf(kube.client) };
});

afterAll(async () => {
  await istiod?.[Symbol.asyncDispose]();
  await kube?.[Symbol.asyncDispose]();
});

describe("a token", () => {
  test.each(["for another audience", "of a pod that is gone", "forged", "malformed", "of the administrator"])(
    "%s gets neither configuration nor a certificate",
    async (what) => {
      const options = { ...base, ...(tokens[what] !== undefined && { token: tokens[what] }) };
      using client = new TestZtunnel(options);
      expect(await client.ended()).toMatchObject({
        code: GRPC_STATUS.UNAUTHENTICATED,
        details: "authentication failure",
      });
      await expect(requestCertificate({ ...options, id: ID })).rejects.toMatchObject({
        code: GRPC_STATUS.UNAUTHENTICATED,
        details: "request authenticate failure",
      });
    },
  );

  it("is needed", async () => {
    using client = new TestZtunnel(base);
    expect(await client.ended()).toMatchObject({ code: GRPC_STATUS.UNAUTHENTICATED });
  });

  it("of another cluster is not taken", async () => {
    using client = new TestZtunnel({ ...base, token: tokens["good"] ?? "", clusterId: "elsewhere" });
    expect(await client.ended()).toMatchObject({ code: GRPC_STATUS.UNAUTHENTICATED });
  });
});

describe("a node's claims", () => {
  const id = (namespace: string): string => `ztunnel~10.0.0.9~z.${namespace}~${namespace}.svc.cluster.local`;
  test.each<[string, ZtunnelOptions["node"], number]>([
    ["of its own namespace", {}, GRPC_STATUS.OK],
    ["of its own account", { metadata: { NAMESPACE: "istio-system", SERVICE_ACCOUNT: "ztunnel" } }, GRPC_STATUS.OK],
    ["of another namespace", { id: id("shop"), metadata: {} }, GRPC_STATUS.PERMISSION_DENIED],
    ["of another namespace in the metadata", { metadata: { NAMESPACE: "shop" } }, GRPC_STATUS.PERMISSION_DENIED],
    [
      "of another account",
      { metadata: { NAMESPACE: "istio-system", SERVICE_ACCOUNT: "default" } },
      GRPC_STATUS.PERMISSION_DENIED,
    ],
    ["without an id", { id: "" }, GRPC_STATUS.INVALID_ARGUMENT],
  ])("%s", async (_what, node, code) => {
    using client = new TestZtunnel({ ...base, token: tokens["good"] ?? "", ...(node && { node }) });
    const outcome = await Promise.race([client.ended(), client.synced().then(() => ({ code: GRPC_STATUS.OK }))]);
    expect(outcome.code).toBe(code);
  });
});

describe("a client certificate", () => {
  it("of the mesh stands for a token", async () => {
    const { chain, privateKey } = await requestCertificate({ ...base, token: tokens["good"] ?? "", id: ID });
    const identity = { key: privateKeyPem(privateKey), certificates: chain.slice(0, -1).join("") };
    using client = new TestZtunnel({ ...base, identity });
    await client.synced();
    const renewed = await requestCertificate({ ...base, identity, id: ID });
    expect(renewed.chain).toHaveLength(2);
  });

  it("of another authority is refused before anything is said", async () => {
    const { svid } = await createTestAuthority();
    const { certificateChain, privateKey } = await svid(ID);
    const identity = { key: privateKeyPem(privateKey), certificates: certificateChain[0].pem };
    using client = new TestZtunnel({ ...base, identity, token: tokens["good"] ?? "" });
    expect(await client.ended()).toMatchObject({ code: GRPC_STATUS.UNAVAILABLE });
  });
});
