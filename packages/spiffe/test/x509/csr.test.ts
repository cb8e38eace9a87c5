// SPDX-License-Identifier: Apache-2.0
import { createPublicKey, generateKeyPairSync } from "node:crypto";
import * as fc from "fast-check";
import forge from "node-forge";
import { describe, expect, it, test } from "vitest";
import {
  KEY_TYPES,
  createCsr,
  formatPem,
  generateKey,
  parseCsr,
  parsePem,
  parsePrivateKey,
  parseSpiffeId,
  privateKeyPem,
  type KeyPair,
} from "../../src/index.ts";
import { DerReader, OID, TAG, constructedContextTag, decodeOid, publicKeyDer } from "../../src/x509/index.ts";
import { outcomeOf } from "../outcome.ts";

const id = parseSpiffeId("spiffe://cluster.local/ns/default/sa/default");
const derOf = (pem: string): Buffer => parsePem(pem, { what: "the request" })[0]?.der as Buffer;

/** A key whose exponent has 40 bits; its request can't be signed properly, but the exponent is looked at first. */
function withHugeExponent(): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const key = { ...publicKey.export({ format: "jwk" }), e: Buffer.of(1, 0, 0, 0, 1).toString("base64url") };
  return { privateKey, publicKey: createPublicKey({ key, format: "jwk" }) };
}

describe("createCsr", () => {
  test.each(KEY_TYPES.filter((type) => type !== "rsa-4096"))(
    "makes a request with a key of type %s",
    async (keyType) => {
      const { csrPem, privateKey } = await createCsr({ id, keyType });
      const parsed = await parseCsr(csrPem);
      expect(parsed.names.uris).toEqual([id]);
      expect(parsed.hasCommonName).toBe(false);
      expect(privateKeyPem(parsePrivateKey(privateKeyPem(privateKey), "the key"))).toMatch(
        /^-----BEGIN PRIVATE KEY-----/,
      );
    },
  );

  it("has an empty subject and one extension, a critical SubjectAltName", async () => {
    const { csrPem } = await createCsr({ id });
    const info = new DerReader(derOf(csrPem), "the request").enter().enter();
    info.read(TAG.INTEGER);
    expect(info.read(TAG.SEQUENCE).contents).toHaveLength(0);
    info.read(TAG.SEQUENCE);
    const attribute = info.enter(constructedContextTag(0)).enter();
    expect(decodeOid(attribute.read(TAG.OID))).toBe(OID.EXTENSION_REQUEST);
    const extensions = attribute.enter(TAG.SET).enter();
    const extension = extensions.enter();
    extensions.end();
    expect(decodeOid(extension.read(TAG.OID))).toBe(OID.SUBJECT_ALT_NAME);
    expect(extension.read(TAG.BOOLEAN).contents).toEqual(Buffer.of(0xff));
  });

  it("makes a new key for each request, or takes the one it is given", async () => {
    const [first, second] = await Promise.all([createCsr({ id }), createCsr({ id })]);
    expect(privateKeyPem(first.privateKey)).not.toBe(privateKeyPem(second.privateKey));
    const key = await generateKey("ecdsa-p256");
    const { csrPem } = await createCsr({ id, key });
    expect((await parseCsr(csrPem)).publicKeyDer).toEqual(publicKeyDer(key.publicKey));
  });
});

describe("parseCsr", () => {
  it("reads a request of node-forge, with a name and an RSA key", async () => {
    const keys = forge.pki.rsa.generateKeyPair(2048);
    const theirs = forge.pki.createCertificationRequest();
    theirs.publicKey = keys.publicKey;
    theirs.setSubject([{ name: "commonName", value: "web" }]);
    theirs.setAttributes([
      { name: "extensionRequest", extensions: [{ name: "subjectAltName", altNames: [{ type: 2, value: "web.svc" }] }] },
    ]);
    theirs.sign(keys.privateKey, forge.md.sha256.create());
    const parsed = await parseCsr(forge.pki.certificationRequestToPem(theirs));
    expect(parsed.hasCommonName).toBe(true);
    expect(parsed.names).toMatchObject({ dnsNames: ["web.svc"], uris: [] });
    expect(parsed.publicKey.asymmetricKeyType).toBe("rsa");
  });

  it("reads a request signed with Ed25519", async () => {
    const { csrPem } = await createCsr({ id, key: generateKeyPairSync("ed25519") });
    expect((await parseCsr(csrPem)).publicKey.asymmetricKeyType).toBe("ed25519");
  });

  it("refuses a request that another key signed", async () => {
    const one = await generateKey("ecdsa-p256");
    const other = await generateKey("ecdsa-p256");
    const { csrPem } = await createCsr({ id, key: { publicKey: one.publicKey, privateKey: other.privateKey } });
    await expect(parseCsr(csrPem)).rejects.toMatchObject({
      code: "CSR_INVALID",
      message: expect.stringContaining("its own key") as string,
    });
  });

  test.each([
    ["a short RSA key", generateKeyPairSync("rsa", { modulusLength: 1024 }), "1024 bits"],
    ["a huge exponent", withHugeExponent(), "huge exponent"],
    [
      "a spelled out curve",
      generateKeyPairSync("ec", { namedCurve: "P-256", paramEncoding: "explicit" }),
      "without a name",
    ],
  ])("refuses %s", async (_what, key, problem) => {
    const { csrPem } = await createCsr({ id, key });
    await expect(parseCsr(csrPem)).rejects.toMatchObject({
      code: "CSR_INVALID",
      message: expect.stringContaining(problem) as string,
    });
  });

  test.each([
    ["", "CSR_INVALID"],
    ["x".repeat(20_000), "PEM_INVALID"],
    [formatPem("CERTIFICATE", Buffer.of(0x30, 0)), "CSR_INVALID"],
    [formatPem("CERTIFICATE REQUEST", Buffer.of(0x30, 0)), "DER_INVALID"],
    [formatPem("CERTIFICATE REQUEST", Buffer.of(0x30, 0)).repeat(2), "CSR_INVALID"],
  ])("refuses %#", async (text, code) => {
    await expect(parseCsr(text)).rejects.toMatchObject({ code });
  });

  it("reads changed requests or refuses them with a typed error; none passes with another signature", async () => {
    const bytes = derOf((await createCsr({ id })).csrPem);
    const change = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(change, async ([at, difference]) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ difference;
        expect(await outcomeOf(async () => parseCsr(formatPem("CERTIFICATE REQUEST", changed)))).not.toBe("read");
      }),
      { numRuns: 300 },
    );
  });

  it("refuses any other bytes with a typed error", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (rest) => {
        const pem = formatPem("CERTIFICATE REQUEST", Buffer.of(0x30, ...rest));
        expect(await outcomeOf(async () => parseCsr(pem))).not.toBe("read");
      }),
    );
  });
});
