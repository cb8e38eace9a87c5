// SPDX-License-Identifier: Apache-2.0
import { constants, generateKeyPairSync, sign, type KeyPairKeyObjectResult } from "node:crypto";
import { describe, expect, it, test } from "vitest";
import {
  OID,
  constructedContextTag,
  der,
  derInteger,
  derNull,
  derOid,
  derSequence,
  isSignedBy,
  isSignedByInPool,
  signerFor,
} from "../../src/x509/index.ts";

const data = Buffer.from("what is signed");
const keys: readonly (readonly [string, KeyPairKeyObjectResult])[] = [
  ["RSA", generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ["P-256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
  ["P-384", generateKeyPairSync("ec", { namedCurve: "P-384" })],
  ["P-521", generateKeyPairSync("ec", { namedCurve: "P-521" })],
  ["Ed25519", generateKeyPairSync("ed25519")],
];

const pss = (hash: string, saltLength: number): Buffer => {
  const algorithm = derSequence(derOid(hash), derNull());
  return derSequence(
    derOid(OID.RSA_PSS),
    derSequence(
      der(constructedContextTag(0), algorithm),
      der(constructedContextTag(1), derSequence(derOid(OID.MGF1), algorithm)),
      der(constructedContextTag(2), derInteger(saltLength)),
    ),
  );
};

describe("signatures", () => {
  test.each(keys)("of %s hold, and for nothing else", async (_name, { privateKey, publicKey }) => {
    const signer = signerFor(privateKey);
    const { algorithm } = signer;
    const signature = await signer.sign(data);
    expect(isSignedBy({ data, algorithm, signature }, publicKey)).toBe(true);
    expect(await isSignedByInPool({ data, algorithm, signature }, publicKey)).toBe(true);
    expect(isSignedBy({ data: Buffer.from("other"), algorithm, signature }, publicKey)).toBe(false);
    expect(isSignedBy({ data, algorithm, signature: Buffer.of(1, 2, 3) }, publicKey)).toBe(false);
  });

  it("of RSASSA-PSS hold with SHA-2", () => {
    const [, { privateKey, publicKey }] = keys[0] as (typeof keys)[number];
    const signature = sign("sha256", data, {
      key: privateKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: 32,
    });
    expect(isSignedBy({ data, algorithm: pss(OID.SHA256, 32), signature }, publicKey)).toBe(true);
    expect(isSignedBy({ data, algorithm: pss(OID.SHA384, 48), signature }, publicKey)).toBe(false);
  });

  test.each([
    ["SHA-1", derSequence(derOid("1.2.840.113549.1.1.5"), derNull())],
    ["RSASSA-PSS over SHA-1", pss("1.3.14.3.2.26", 20)],
    ["another kind of key", derSequence(derOid(OID.ECDSA_SHA256))],
  ])("with %s are not looked at", (_name, algorithm) => {
    const [, { publicKey }] = keys[0] as (typeof keys)[number];
    expect(() => isSignedBy({ data, algorithm, signature: Buffer.alloc(256) }, publicKey)).toThrow(
      expect.objectContaining({ code: "KEY_UNSUPPORTED" }),
    );
  });

  it("are not made with keys that peers could not check", () => {
    const { privateKey } = generateKeyPairSync("x25519");
    expect(() => signerFor(privateKey)).toThrow(expect.objectContaining({ code: "KEY_UNSUPPORTED" }));
  });
});
