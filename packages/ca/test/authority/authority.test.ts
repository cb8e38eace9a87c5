// SPDX-License-Identifier: Apache-2.0
import { FakeClock } from "@ambientmesh/testkit";
import {
  buildPath,
  createCsr,
  formatPem,
  parseCertificates,
  parsePrivateKey,
  parseRevocationLists,
  parseSpiffeId,
  svidFromIssuedChain,
  svidProblems,
  type Certificate,
} from "@ambientmesh/spiffe";
import { KEY_USAGE, OID } from "@ambientmesh/spiffe/x509";
import forge from "node-forge";
import { describe, expect, it, test } from "vitest";
import { CertificateAuthority, createIntermediate, createRoot } from "../../src/index.ts";

const EC = { keyType: "ecdsa-p256" } as const;
const DAY = 86_400;
const id = parseSpiffeId("spiffe://cluster.local/ns/default/sa/web");
const only = (pem: string): Certificate => parseCertificates(pem, "the test")[0] as Certificate;
const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;

const clock = new FakeClock();
const material = await createRoot("cluster.local", { ...EC, clock });
const authority = new CertificateAuthority(material, { clock });
const { csrPem, privateKey } = await createCsr({ id });

describe("sign", () => {
  it("issues what Istio's authority issues", async () => {
    const { chain, serialNumber, notBeforeMs, notAfterMs } = await authority.sign({ csrPem, id });
    const leaf = only(chain[0] as string);
    expect(svidProblems(leaf)).toEqual([]);
    expect(leaf.subject).toEqual(Buffer.of(0x30, 0));
    expect(leaf.usage).toMatchObject({
      areNamesCritical: true,
      isCa: false,
      isKeyUsageCritical: true,
      extendedKeyUsage: [OID.SERVER_AUTH, OID.CLIENT_AUTH],
      names: { uris: [id], dnsNames: [], otherCount: 0 },
    });
    const bits = leaf.usage.keyUsage?.flatMap((isSet, bit) => (isSet ? [bit] : []));
    expect(bits).toEqual([KEY_USAGE.DIGITAL_SIGNATURE, KEY_USAGE.KEY_ENCIPHERMENT]);
    expect(leaf.extensions.get(OID.BASIC_CONSTRAINTS)).toMatchObject({ isCritical: true });
    expect(leaf).toMatchObject({ serialNumber, notBeforeMs, notAfterMs });
    expect(notBeforeMs).toBe(wholeSeconds(clock.now() - 120_000));
    expect(notAfterMs).toBe(wholeSeconds(clock.now() + DAY * 1000));
    expect(svidFromIssuedChain({ id, chain, privateKey }).id).toBe(id);
  });

  it("answers with leaf, each intermediate, and last all roots in one text", async () => {
    const other = await createRoot("cluster.local", EC);
    const upper = await createIntermediate(material, "upper", { ...EC, clock });
    const both = { ...upper, rootsPem: material.rootsPem + other.rootsPem };
    const { chain } = await new CertificateAuthority(both, { clock }).sign({ csrPem, id });
    expect(chain).toEqual([expect.any(String), upper.certificatePem, material.rootsPem + other.rootsPem]);
    expect(chain.every((pem) => pem.endsWith("-----END CERTIFICATE-----\n"))).toBe(true);
    expect((await authority.sign({ csrPem, id })).chain).toEqual([expect.any(String), material.rootsPem]);
  });

  it("does not look at the names that the request asks for", async () => {
    const other = await createCsr({ id: parseSpiffeId("spiffe://cluster.local/ns/kube-system/sa/admin") });
    const { chain } = await authority.sign({ csrPem: other.csrPem, id });
    expect(only(chain[0] as string).usage.names.uris).toEqual([id]);
  });

  it("names the identity in the subject only if the request had a common name, and it fits", async () => {
    const keys = forge.pki.rsa.generateKeyPair(2048);
    const theirs = forge.pki.createCertificationRequest();
    theirs.publicKey = keys.publicKey;
    theirs.setSubject([{ name: "commonName", value: "admin" }]);
    theirs.sign(keys.privateKey, forge.md.sha256.create());
    const named = forge.pki.certificationRequestToPem(theirs);
    const commonNameOf = async (who: typeof id): Promise<string> =>
      only((await authority.sign({ csrPem: named, id: who })).chain[0] as string).x509.subject;
    expect(await commonNameOf(id)).toBe(`CN=${id}`);
    expect(await commonNameOf(parseSpiffeId(`${id}${"x".repeat(64)}`))).toBeFalsy();
  });

  test.each([
    [0, DAY],
    [-5, DAY],
    [60, 60],
    [90 * DAY, 90 * DAY],
  ])("of %i s gives %i s", async (ttlSeconds, expected) => {
    const { notAfterMs } = await authority.sign({ csrPem, id, ttlSeconds });
    expect(notAfterMs).toBe(wholeSeconds(clock.now() + expected * 1000));
  });

  it("of more than the longest time is refused", async () => {
    await expect(authority.sign({ csrPem, id, ttlSeconds: 90 * DAY + 1 })).rejects.toMatchObject({
      code: "CA_TTL_TOO_LONG",
    });
    const short = new CertificateAuthority(material, { clock, policy: { maxTtlSeconds: 10, defaultTtlSeconds: 5 } });
    await expect(short.sign({ csrPem, id, ttlSeconds: 11 })).rejects.toMatchObject({ code: "CA_TTL_TOO_LONG" });
    expect((await short.sign({ csrPem, id })).notAfterMs).toBe(wholeSeconds(clock.now() + 5000));
  });

  it("never outlives the authority, nor any certificate above it, and ends with it", async () => {
    const late = new FakeClock(clock.now());
    const root = await createRoot("cluster.local", { ...EC, ttlSeconds: 100, clock: late });
    const middle = await createIntermediate(root, "i", { ...EC, ttlSeconds: 1000, clock: late });
    for (const each of [root, middle]) {
      const { notAfterMs } = await new CertificateAuthority(each, { clock: late }).sign({ csrPem, id });
      expect(notAfterMs).toBe(wholeSeconds(late.now() + 100_000));
    }
    late.advance(101_000);
    await expect(new CertificateAuthority(root, { clock: late }).sign({ csrPem, id })).rejects.toMatchObject({
      code: "CA_SIGNER_EXPIRED",
    });
  });

  it("uses a serial number once", async () => {
    const serials = await Promise.all(
      Array.from({ length: 200 }, async () => (await authority.sign({ csrPem, id })).serialNumber),
    );
    expect(new Set(serials).size).toBe(200);
    expect(serials.every((serial) => BigInt(serial) > 0n && BigInt(serial) < 2n ** 128n)).toBe(true);
  });

  test.each([
    ["nothing", ""],
    ["another block", formatPem("CERTIFICATE", Buffer.of(0x30, 0))],
    ["a broken request", formatPem("CERTIFICATE REQUEST", Buffer.of(0x30, 3, 2, 1, 0))],
    ["too much", csrPem + " ".repeat(20_000)],
  ])("of %s is refused", async (_what, text) => {
    await expect(authority.sign({ csrPem: text, id })).rejects.toMatchObject({
      code: "CA_CSR_INVALID",
      message: expect.stringContaining(id) as string,
    });
  });
});

describe("issueServing", () => {
  it("makes a certificate for DNS names and addresses, sorted, each once", async () => {
    const names = [
      "istiod.istio-system.svc",
      "istio-pilot.istio-system.svc",
      "10.0.0.1",
      "fd00::1",
      "istiod.istio-system.svc",
    ];
    const serving = await authority.issueServing({ names });
    const leaf = only(serving.certificateChainPem);
    expect(leaf.usage.names.dnsNames).toEqual(["istio-pilot.istio-system.svc", "istiod.istio-system.svc"]);
    expect(leaf.x509.checkIP("10.0.0.1")).toBe("10.0.0.1");
    expect(leaf.x509.checkIP("fd00::1")).toBe("fd00::1");
    expect(leaf.usage.extendedKeyUsage).toEqual([OID.SERVER_AUTH]);
    expect(leaf.x509.checkPrivateKey(parsePrivateKey(serving.privateKeyPem, "the key"))).toBe(true);
    expect(serving.notAfterMs).toBe(authority.certificate.notAfterMs);
    expect(buildPath(leaf, [], authority.trustBundle.roots)).toBeDefined();
  });

  test.each([
    ["ecdsa-p256", "prime256v1"],
    ["ecdsa-p384", "secp384r1"],
    ["rsa-2048", undefined],
  ] as const)("has a key like an authority of type %s", async (keyType, namedCurve) => {
    const like = new CertificateAuthority(await createRoot("o", { keyType }));
    const { certificateChainPem } = await like.issueServing({ names: ["a.b"], ttlSeconds: 60 });
    expect(only(certificateChainPem).x509.publicKey.asymmetricKeyDetails).toMatchObject(
      namedCurve === undefined ? { modulusLength: 2048 } : { namedCurve },
    );
  });

  test.each([
    [[]],
    [["A.b"]],
    [["a b"]],
    [["a..b"]],
    [["*"]],
    [["a.*.b"]],
    [["-a.b"]],
    [[`${"a".repeat(64)}.b`]],
    [["a\0.b"]],
    [[""]],
  ])("refuses %j", async (names) => {
    await expect(authority.issueServing({ names })).rejects.toMatchObject({ code: "CA_NAME_INVALID" });
  });

  test.each(["*.svc", "localhost", "a_b.c", "1.2.3"])("takes %s", async (name) => {
    const { certificateChainPem } = await authority.issueServing({ names: [name] });
    expect(only(certificateChainPem).usage.names.dnsNames).toEqual([name]);
  });
});

describe("revocation", () => {
  it("survives in what is kept, and ends when the certificate expires by itself", async () => {
    const now = new FakeClock(clock.now());
    const first = new CertificateAuthority(material, { clock: now });
    const issued = await first.sign({ csrPem, id, ttlSeconds: 60 });
    first.revoke(issued);
    first.revoke({ serialNumber: "7" });
    const again = new CertificateAuthority(material, { clock: now, revocations: first.revocations });
    const serials = async (of: CertificateAuthority): Promise<string[]> =>
      Array.from(parseRevocationLists(await of.crl(), "x")[0]?.serialNumbers ?? []);
    expect(await serials(again)).toEqual([issued.serialNumber, "7"]);
    now.advance(62_000);
    expect(await serials(again)).toEqual(["7"]);
  });

  it("is bounded", () => {
    const full = new CertificateAuthority(material, {
      revocations: Array.from({ length: 25_000 }, (_, at) => ({ serialNumber: String(at + 1), revokedAtMs: 0 })),
    });
    full.revoke({ serialNumber: "1" });
    expect(() => full.revoke({ serialNumber: "99999" })).toThrow(
      expect.objectContaining({ code: "CA_REVOCATIONS_FULL" }),
    );
  });
});

describe("replace", () => {
  it("changes signer and roots, or changes nothing if the new material is bad", async () => {
    const changing = new CertificateAuthority(material, { clock });
    const next = await createRoot("next", EC);
    changing.replace(next);
    expect(changing.rootsPem).toBe(next.rootsPem);
    expect(changing.certificate.pem).toBe(next.certificatePem);
    expect(() => changing.replace({ ...next, privateKeyPem: material.privateKeyPem })).toThrow("does not belong");
    expect(changing.material).toBe(next);
  });
});
