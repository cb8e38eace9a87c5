// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CertificateAuthority,
  createIntermediate,
  createRoot,
  materialToFiles,
  type AuthorityMaterial,
} from "@ambientmesh/ca";
import { RESOURCES } from "@ambientmesh/kube";
import { parseSpiffeId, svidFromIssuedChain } from "@ambientmesh/spiffe";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import {
  applyYaml,
  namespaceYaml,
  podToken,
  podYaml,
  rootOf,
  startIstiod,
  startKube,
  testConfig,
  type TestKube,
} from "../support/mesh.ts";
import { requestCertificate, TestZtunnel } from "../support/ztunnel.ts";

const EC = { keyType: "ecdsa-p256" } as const;
const ID = parseSpiffeId("spiffe://cluster.local/ns/istio-system/sa/ztunnel");
const ZTUNNEL = { name: "ztunnel-n1", namespace: "istio-system", account: "ztunnel" };

let folder: string;
let kube: TestKube;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "istiod-ca-"));
  kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("istio-system", "ztunnel"));
  await applyYaml(kube.client, podYaml({ ...ZTUNNEL, ip: "10.0.0.9" }));
});

afterEach(async () => {
  await kube[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function write(material: AuthorityMaterial): Promise<void> {
  for (const [name, text] of Object.entries(materialToFiles(material))) await writeFile(join(folder, name), text);
}

it("a plugged-in intermediate signs, is named in the chain, and is replaced while istiod runs", async () => {
  const root = await createRoot("Example", EC);
  await write(await createIntermediate(root, "first", EC));
  await using istiod = await startIstiod(kube.client, testConfig({ ROOT_CA_DIR: folder }));
  const rootPem = await rootOf(kube.client);
  expect(rootPem).toBe(root.rootsPem);
  expect(
    await kube.client.find(RESOURCES.Secret, { namespace: "istio-system", name: "istio-ca-secret" }),
  ).toBeUndefined();
  const token = await podToken(kube.client, ZTUNNEL);
  const ask = () => requestCertificate({ address: istiod.address.secureGrpc, rootPem, token, id: ID });
  const { chain, privateKey } = await ask();
  expect(chain).toHaveLength(3);
  expect(svidFromIssuedChain({ id: ID, chain, privateKey }).certificateChain).toHaveLength(2);
  await write(await createIntermediate(root, "second", EC));
  await vi.waitFor(async () => expect((await ask()).chain[1]).not.toBe(chain[1]), { timeout: 15_000, interval: 200 });
});

it("an incomplete folder is an error, not a reason to make a root", async () => {
  await writeFile(join(folder, "ca-cert.pem"), "anything");
  await expect(startIstiod(kube.client, testConfig({ ROOT_CA_DIR: folder }))).rejects.toMatchObject({
    code: "CA_FOLDER_INCOMPLETE",
  });
});

it("a Secret that holds no authority is an error, not a reason to replace it", async () => {
  const ref = { namespace: "istio-system", name: "istio-ca-secret" };
  await kube.client.create(RESOURCES.Secret, { metadata: ref, data: { "other.pem": "eA==" } });
  await expect(startIstiod(kube.client)).rejects.toMatchObject({ code: "ISTIOD_AUTHORITY_MISSING" });
});

it("a root that another istiod has made is taken over", async () => {
  const root = await createRoot("cluster.local", EC);
  const { "cert-chain.pem": _chain, ...files } = materialToFiles(root);
  const data = Object.fromEntries(
    Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString("base64")]),
  );
  await kube.client.create(RESOURCES.Secret, {
    metadata: { namespace: "istio-system", name: "istio-ca-secret" },
    data,
  });
  await using _istiod = await startIstiod(kube.client);
  expect(await rootOf(kube.client)).toBe(root.rootsPem);
});

it("the serving certificate may come from files and is followed", async () => {
  const [first, second] = await Promise.all([createRoot("one", EC), createRoot("two", EC)]);
  const files = { certificateFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
  const serve = async (material: AuthorityMaterial): Promise<void> => {
    const serving = await new CertificateAuthority(material).issueServing({ names: ["istiod.istio-system.svc"] });
    await writeFile(files.certificateFile, serving.certificateChainPem);
    await writeFile(files.keyFile, serving.privateKeyPem);
  };
  await serve(first);
  const flags = [`--tlsCertFile=${files.certificateFile}`, `--tlsKeyFile=${files.keyFile}`];
  await using istiod = await startIstiod(kube.client, testConfig({ ENABLE_LEADER_ELECTION: "false" }, flags));
  const token = await podToken(kube.client, ZTUNNEL);
  const connect = async (rootPem: string): Promise<void> => {
    using ztunnel = new TestZtunnel({ address: istiod.address.secureGrpc, rootPem, token });
    await ztunnel.synced();
  };
  await connect(first.rootsPem);
  await serve(second);
  await vi.waitFor(() => connect(second.rootsPem), { timeout: 15_000, interval: 200 });
  expect(await rootOf(kube.client)).not.toBe(second.rootsPem);
});

it("files that don't fit together are an error that names them", async () => {
  await writeFile(join(folder, "tls.crt"), "nonsense");
  await writeFile(join(folder, "tls.key"), "nonsense");
  const flags = [`--tlsCertFile=${join(folder, "tls.crt")}`, `--tlsKeyFile=${join(folder, "tls.key")}`];
  await expect(startIstiod(kube.client, testConfig({}, flags))).rejects.toMatchObject({
    code: "ISTIOD_SERVING_CERTIFICATE_INVALID",
    message: expect.stringContaining(join(folder, "tls.key")) as string,
  });
});
