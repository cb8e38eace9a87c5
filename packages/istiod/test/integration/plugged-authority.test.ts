// SPDX-License-Identifier: Apache-2.0
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import {
  CertificateAuthority,
  createIntermediate,
  createRoot,
  materialToFiles,
  withRoots,
  type AuthorityMaterial,
} from "@ambientmesh/ca";
import { RESOURCES } from "@ambientmesh/kube";
import { parseSpiffeId, privateKeyPem, svidFromIssuedChain } from "@ambientmesh/spiffe";
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

const pick = ({ key, cert }: Peer): Peer => ({ key, cert });

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

it("its revocation list is in every namespace, and follows the file", async () => {
  const root = await createRoot("Example", EC);
  const authority = new CertificateAuthority(root);
  const crl = await authority.crl();
  await write(root);
  await writeFile(join(folder, "ca-crl.pem"), crl);
  await using _istiod = await startIstiod(kube.client, testConfig({ ROOT_CA_DIR: folder }));
  const handedOut = async (): Promise<string | undefined> =>
    (await kube.client.find(RESOURCES.ConfigMap, { namespace: "istio-system", name: "istio-ca-crl" }))?.data?.[
      "ca-crl.pem"
    ];
  await vi.waitFor(async () => expect(await handedOut()).toBe(crl), { timeout: 10_000, interval: 50 });
  authority.revoke({ serialNumber: "7" });
  const next = await authority.crl();
  await writeFile(join(folder, "ca-crl.pem"), next);
  await vi.waitFor(async () => expect(await handedOut()).toBe(next), { timeout: 15_000, interval: 100 });
});

interface Peer {
  readonly key: string;
  readonly cert: string;
}

/** Whether both sides of a connection take each other, with these roots. */
async function trustEachOther(server: Peer, client: Peer, ca: string): Promise<boolean> {
  const shared = { ca, minVersion: "TLSv1.3", rejectUnauthorized: true } as const;
  await using stack = new AsyncDisposableStack();
  const listener = createServer({ ...shared, ...server, requestCert: true }, (socket) => socket.end("hello"));
  stack.defer(() => void listener.close());
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  // Identities are URIs, which are not a matter of host names.
  const socket = connect({ ...shared, ...client, port, host: "127.0.0.1", checkServerIdentity: () => undefined });
  stack.defer(() => void socket.destroy());
  // What the server says arrives only after it has taken the client's certificate (TLS 1.3).
  const [data] = (await once(socket, "data")) as [Buffer];
  return data.toString() === "hello";
}

it("a root is exchanged for another one in steps, while old and new leaves trust each other and istiod takes both", async () => {
  const [old, next] = await Promise.all([createRoot("Old", EC), createRoot("New", EC)]);
  await write(old);
  await using istiod = await startIstiod(kube.client, testConfig({ ROOT_CA_DIR: folder }));
  const token = await podToken(kube.client, ZTUNNEL);
  const leaf = async (): Promise<Peer & { readonly roots: string }> => {
    const rootPem = await rootOf(kube.client);
    const { chain, privateKey } = await requestCertificate({
      address: istiod.address.secureGrpc,
      rootPem,
      token,
      id: ID,
    });
    return { key: privateKeyPem(privateKey), cert: chain[0] ?? "", roots: chain.at(-1) ?? "" };
  };
  const issuerOf = ({ cert }: Peer): string => new X509Certificate(cert).issuer;
  const before = await leaf();
  expect([issuerOf(before), before.roots]).toEqual(["O=Old", old.rootsPem]);

  const both = withRoots(old, next.rootsPem).rootsPem;
  await write({ ...old, rootsPem: both });
  await vi.waitFor(async () => expect(await rootOf(kube.client)).toBe(both), { timeout: 15_000, interval: 100 });
  await write(withRoots(next, old.rootsPem));
  const after = await vi.waitFor(
    async () => {
      const fresh = await leaf();
      expect(issuerOf(fresh)).toBe("O=New");
      return fresh;
    },
    { timeout: 15_000, interval: 200 },
  );
  for (const [server, client] of [
    [before, after],
    [after, before],
    [after, after],
  ] as const) {
    expect(await trustEachOther(pick(server), pick(client), both)).toBe(true);
  }
  for (const { key, cert } of [before, after]) {
    const address = istiod.address.secureGrpc;
    using client = new TestZtunnel({ address, rootPem: both, identity: { key, certificates: cert } });
    await client.synced();
  }
  await expect(trustEachOther(pick(before), pick(after), next.rootsPem)).rejects.toThrow(
    /self-signed certificate|unable to verify|unknown ca|socket hang up|ECONNRESET/i,
  );
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
