// SPDX-License-Identifier: Apache-2.0
import { FakeClock } from "@ambientmesh/testkit";
import { buildPath, parseCertificates, parseSpiffeId, createCsr, type Certificate } from "@ambientmesh/spiffe";
import { describe, expect, it, test } from "vitest";
import {
  CertificateAuthority,
  createIntermediate,
  createRoot,
  isRenewalDue,
  materialFromFiles,
  materialToFiles,
  renewRoot,
  withRoots,
  type AuthorityMaterial,
} from "../../src/index.ts";

const EC = { keyType: "ecdsa-p256" } as const;
const only = (pem: string): Certificate => parseCertificates(pem, "the test")[0] as Certificate;
const id = parseSpiffeId("spiffe://cluster.local/ns/default/sa/web");

const root = await createRoot("cluster.local", EC);
const middle = await createIntermediate(root, "middle", EC);
const other = await createRoot("cluster.local", EC);

describe("createRoot", () => {
  it("is RSA 2048 for ten years, named after the trust domain, unless asked otherwise", async () => {
    const clock = new FakeClock();
    const { certificatePem, rootsPem, chainPem } = await createRoot("cluster.local", { clock });
    const certificate = only(certificatePem);
    expect(rootsPem).toBe(certificatePem);
    expect(chainPem).toBe("");
    expect(certificate.x509.publicKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048 });
    expect(certificate.x509.subject).toBe("O=cluster.local");
    expect(certificate.isSelfIssued).toBe(true);
    expect(certificate.notAfterMs - clock.now()).toBeGreaterThan(3650 * 86_400_000 - 1001);
    expect(only(root.certificatePem).x509.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: "prime256v1" });
  });
});

describe("createIntermediate", () => {
  it("may sign leaves only and never outlives its parent", async () => {
    const short = await createRoot("o", { ...EC, ttlSeconds: 60 });
    const below = only((await createIntermediate(short, "i", EC)).certificatePem);
    expect(below.usage).toMatchObject({ isCa: true, pathLength: 0 });
    expect(below.notAfterMs).toBe(only(short.certificatePem).notAfterMs);
  });
});

describe("the authority refuses material", () => {
  test.each<[string, Partial<AuthorityMaterial>, string]>([
    ["with another one's key", { privateKeyPem: other.privateKeyPem }, "does not belong to its certificate"],
    [
      "with another one's roots",
      { rootsPem: other.rootsPem },
      "does not lead from its certificate to any of its roots",
    ],
    [
      "without its chain",
      {
        chainPem: "",
        certificatePem: middle.certificatePem,
        privateKeyPem: middle.privateKeyPem,
        rootsPem: other.rootsPem,
      },
      "does not lead",
    ],
    ["with a broken certificate", { certificatePem: "x" }, "the authority's certificate holds 0 certificates"],
    ["with a broken key", { privateKeyPem: "x" }, "the authority's key is no unencrypted private key"],
    ["without roots", { rootsPem: "" }, "the authority's roots holds 0 certificates"],
  ])("%s", (_what, change, problem) => {
    expect(() => new CertificateAuthority({ ...root, ...change })).toThrow(problem);
  });

  it("whose certificate is a leaf", async () => {
    const { csrPem, privateKey } = await createCsr({ id });
    const { chain } = await new CertificateAuthority(root).sign({ csrPem, id });
    const leaf = {
      ...root,
      certificatePem: chain[0] as string,
      privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    };
    expect(() => new CertificateAuthority(leaf)).toThrow("is not an authority's");
  });
});

describe("a chain file", () => {
  it("may hold the signing certificate and the root too, in any order; neither is handed out twice", async () => {
    const { csrPem } = await createCsr({ id });
    const upper = await createIntermediate(root, "middle", EC);
    const chainPem = root.certificatePem + upper.certificatePem;
    const { chain } = await new CertificateAuthority({ ...upper, chainPem }).sign({ csrPem, id });
    expect(chain.slice(1)).toEqual([upper.certificatePem, root.rootsPem]);
  });
});

describe("files", () => {
  it("come back as they went", () => {
    const files = materialToFiles(middle);
    expect(Object.keys(files)).toEqual(["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"]);
    expect(materialFromFiles(files, "the Secret")).toEqual(middle);
    expect(materialFromFiles(materialToFiles(root), "the Secret")).toEqual(root);
  });

  it("of the kind kubernetes.io/tls are read", () => {
    const files = {
      "tls.crt": middle.certificatePem + root.certificatePem,
      "tls.key": middle.privateKeyPem,
      "ca.crt": root.rootsPem,
    };
    const material = materialFromFiles(files, "the Secret") as AuthorityMaterial;
    expect(new CertificateAuthority(material).certificate.pem).toBe(middle.certificatePem);
  });

  test.each([
    [{ "ca-cert.pem": "x" }, "ca-key.pem, cert-chain.pem, root-cert.pem"],
    [{ "ca-cert.pem": "x", "ca-key.pem": "x", "root-cert.pem": "x" }, "cert-chain.pem"],
    [{ "ca-cert.pem": "x", "ca-key.pem": " \n", "root-cert.pem": "x", "cert-chain.pem": "" }, "ca-key.pem"],
    [{ "tls.crt": "x", "tls.key": "x" }, "ca.crt"],
  ])("%# that are incomplete are refused, and the missing ones named", (files, missing) => {
    expect(() => materialFromFiles(files, "./etc/cacerts")).toThrow(
      expect.objectContaining({
        code: "CA_FOLDER_INCOMPLETE",
        message: `./etc/cacerts lacks ${missing} beside the files that are there`,
      }),
    );
  });

  it("of no authority are none", () => {
    expect(materialFromFiles({ "ca-crl.pem": "x" }, "the Secret")).toBeUndefined();
  });
});

describe("rotation", () => {
  it("with the same key leaves old leaves good under the new root and new leaves under the old one", async () => {
    const { csrPem } = await createCsr({ id });
    const renewed = await renewRoot(root);
    expect(parseCertificates(renewed.rootsPem, "x").map(({ pem }) => pem)).toEqual([
      renewed.certificatePem,
      root.certificatePem,
    ]);
    expect(only(renewed.certificatePem).publicKey).toEqual(only(root.certificatePem).publicKey);
    for (const material of [root, renewed]) {
      const leaf = only((await new CertificateAuthority(material).sign({ csrPem, id })).chain[0] as string);
      for (const trusted of [root, renewed]) expect(buildPath(leaf, [], [only(trusted.certificatePem)])).toBeDefined();
    }
  });

  it("drops roots that have expired", async () => {
    const clock = new FakeClock();
    const old = await createRoot("o", { ...EC, clock, ttlSeconds: 10 });
    clock.advance(11_000);
    const renewed = await renewRoot(old, { clock });
    expect(renewed.rootsPem).toBe(renewed.certificatePem);
  });

  it("adds roots once", () => {
    const both = withRoots(withRoots(root, other.rootsPem), root.rootsPem);
    expect(both.rootsPem).toBe(root.rootsPem + other.rootsPem);
    expect(both.certificatePem).toBe(root.certificatePem);
  });

  it("is due in the last fifth", () => {
    const certificate = only(root.certificatePem);
    const life = certificate.notAfterMs - certificate.notBeforeMs;
    expect(isRenewalDue(certificate, certificate.notAfterMs - life * 0.2 - 1)).toBe(false);
    expect(isRenewalDue(certificate, certificate.notAfterMs - life * 0.2)).toBe(true);
    expect(isRenewalDue(certificate, certificate.notAfterMs - life * 0.2, 0.1)).toBe(false);
  });
});
