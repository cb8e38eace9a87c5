// SPDX-License-Identifier: Apache-2.0
import { createRoot, createIntermediate, CertificateAuthority } from "@ambientmesh/ca";
import { createTestAuthority, type TestAuthority } from "@ambientmesh/testkit";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { RevocationSet, buildPath, formatPem, parsePem, parseRevocationLists, type Svid } from "../../src/index.ts";
import {
  OID,
  buildRevocationList,
  contextTag,
  der,
  derInteger,
  derOid,
  derSequence,
  signerFor,
  type Extension,
} from "../../src/x509/index.ts";
import { generateKey } from "../../src/x509/keys.ts";
import { outcomeOf } from "../outcome.ts";

const ID = "spiffe://cluster.local/ns/default/sa/default";
const ca = await createTestAuthority();
const pathOf = ({ certificateChain: [leaf, ...rest], trustBundle }: Svid) =>
  buildPath(leaf, rest, trustBundle.roots) ?? [];

async function listWith(extensions: readonly Extension[]): Promise<string> {
  const { privateKey } = await generateKey("ecdsa-p256");
  const fields = {
    issuer: ca.authority.certificate.subject,
    thisUpdateMs: 0,
    nextUpdateMs: 1,
    revoked: [],
    extensions,
  };
  return buildRevocationList(fields, signerFor(privateKey));
}

describe("parseRevocationLists", () => {
  it("reads what the authority wrote", async () => {
    const { authority, svid } = await createTestAuthority();
    const [leaf] = (await svid(ID)).certificateChain;
    const before = Math.floor(Date.now() / 1000) * 1000;
    authority.revoke(leaf);
    authority.revoke(leaf);
    const [list, ...others] = parseRevocationLists(await authority.crl(), "ca-crl.pem");
    expect(others).toEqual([]);
    expect(list?.issuer).toEqual(authority.certificate.subject);
    expect([...(list?.serialNumbers ?? [])]).toEqual([leaf.serialNumber]);
    expect(list?.thisUpdateMs).toBeGreaterThanOrEqual(before);
    expect(list?.nextUpdateMs).toBe((list?.thisUpdateMs ?? 0) + 7 * 86_400_000);
  });

  it("reads an empty file, DER, and PEM with several lists", async () => {
    const pem = await ca.authority.crl();
    expect(parseRevocationLists("", "x")).toEqual([]);
    expect(parseRevocationLists(Buffer.from(" \n"), "x")).toEqual([]);
    expect(parseRevocationLists(parsePem(pem, { what: "x" })[0]?.der as Buffer, "x")).toHaveLength(1);
    expect(parseRevocationLists(Buffer.from(`# two\n${pem}${pem}`), "x")).toHaveLength(2);
  });

  test.each<[string, Extension, boolean]>([
    [
      "a scope",
      {
        oid: OID.ISSUING_DISTRIBUTION_POINT,
        isCritical: true,
        value: derSequence(der(contextTag(1), Buffer.of(0xff))),
      },
      true,
    ],
    [
      "other authorities' certificates",
      {
        oid: OID.ISSUING_DISTRIBUTION_POINT,
        isCritical: true,
        value: derSequence(der(contextTag(4), Buffer.of(0xff))),
      },
      false,
    ],
    ["only differences", { oid: OID.DELTA_CRL_INDICATOR, isCritical: true, value: derInteger(1) }, false],
    ["something critical and unknown", { oid: "1.2.3", isCritical: true, value: derInteger(1) }, false],
    ["something unknown", { oid: "1.2.3", isCritical: false, value: derInteger(1) }, true],
  ])("takes a list with %s: %#", async (_what, extension, isTaken) => {
    const pem = await listWith([extension]);
    expect(await outcomeOf(() => parseRevocationLists(pem, "x"))).toBe(isTaken ? "read" : "CRL_INVALID");
  });

  test.each([
    ["text that is no list", "hello"],
    ["a certificate", formatPem("CERTIFICATE", Buffer.of(1))],
    ["too much", "x".repeat(4 * 1024 * 1024 + 1)],
    ["too many", formatPem("X509 CRL", derSequence(derOid("1.2"))).repeat(257)],
  ])("refuses %s", (_what, text) => {
    expect(() => parseRevocationLists(text, "x")).toThrow(expect.objectContaining({ code: "CRL_INVALID" }));
  });

  it("reads changed lists or refuses them with a typed error", async () => {
    const { authority } = await createTestAuthority();
    for (const serial of [1n, 2n ** 100n]) authority.revoke({ serialNumber: serial.toString() });
    const bytes = parsePem(await authority.crl(), { what: "x" })[0]?.der as Buffer;
    const change = fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.nat({ max: bytes.length }), async (changes, end) => {
        const changed = Buffer.from(bytes.subarray(0, end));
        for (const [at, value] of changes) if (at < end) changed[at] = value;
        expect(["read", "DER_INVALID", "CRL_INVALID", "CERTIFICATE_INVALID"]).toContain(
          await outcomeOf(() => parseRevocationLists(changed, "x")),
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe("RevocationSet", () => {
  it("finds a revoked leaf, and nobody else", async () => {
    const { authority, svid } = await createTestAuthority();
    const [revoked, other] = [await svid(ID), await svid(ID)];
    authority.revoke(revoked.certificateChain[0]);
    const set = RevocationSet.parse(await authority.crl(), "x");
    expect(set.size).toBe(1);
    expect(set.findRevoked(pathOf(revoked))).toBe(revoked.certificateChain[0]);
    expect(set.findRevoked(pathOf(other))).toBeUndefined();
    expect(RevocationSet.EMPTY.findRevoked(pathOf(revoked))).toBeUndefined();
  });

  it("finds a revoked intermediate, on the list of its root", async () => {
    const root = await createRoot("cluster.local", { keyType: "ecdsa-p256" });
    const below = await createTestAuthority({
      material: await createIntermediate(root, "i", { keyType: "ecdsa-p256" }),
    });
    const svid = await below.svid(ID);
    const rootAuthority = new CertificateAuthority(root);
    expect(RevocationSet.parse(await rootAuthority.crl(), "x").findRevoked(pathOf(svid))).toBeUndefined();
    rootAuthority.revoke(below.authority.certificate);
    const set = RevocationSet.parse(await rootAuthority.crl(), "x");
    expect(set.findRevoked(pathOf(svid))?.serialNumber).toBe(below.authority.certificate.serialNumber);
  });

  it("does not believe a list of another authority with the same name", async () => {
    const svid = await ca.svid(ID);
    const impostor = await createTestAuthority();
    expect(impostor.authority.certificate.subject).toEqual(ca.authority.certificate.subject);
    impostor.authority.revoke(svid.certificateChain[0]);
    const set = RevocationSet.parse(await impostor.authority.crl(), "x");
    expect(set.findRevoked(pathOf(svid))).toBeUndefined();
  });

  it("takes all lists of an authority together, however old", async () => {
    const { authority, svid }: TestAuthority = await createTestAuthority();
    const [first, second] = [await svid(ID), await svid(ID)];
    authority.revoke(first.certificateChain[0]);
    const old = await authority.crl();
    const other = new CertificateAuthority(authority.material);
    other.revoke(second.certificateChain[0]);
    const set = RevocationSet.parse(old + (await other.crl()), "x");
    expect(set.findRevoked(pathOf(first))).toBeDefined();
    expect(set.findRevoked(pathOf(second))).toBeDefined();
  });
});
