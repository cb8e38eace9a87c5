// SPDX-License-Identifier: Apache-2.0
import { createIntermediate, createRoot } from "@ambientmesh/ca";
import { NAME_TAG, createTestAuthority, deviantCertificate } from "@ambientmesh/testkit";
import { describe, expect, it, test } from "vitest";
import {
  createSvid,
  createTrustBundle,
  generateKey,
  mergeTrustBundles,
  parseCertificate,
  parsePrivateKey,
  parseSpiffeId,
  parseTrustBundle,
  staticSource,
  svidFromIssuedChain,
  trustBundlePem,
} from "../../src/index.ts";

const ID = "spiffe://cluster.local/ns/default/sa/default";
const id = parseSpiffeId(ID);
const ca = await createTestAuthority();
const good = await ca.svid(ID);
const [leaf] = good.certificateChain;

describe("createSvid", () => {
  it("keeps leaf and intermediates and leaves roots out", async () => {
    const root = await createRoot("cluster.local", { keyType: "ecdsa-p256" });
    const middle = await createIntermediate(root, "middle", { keyType: "ecdsa-p256" });
    const { svid } = await createTestAuthority({ material: middle });
    const { certificateChain, privateKey, trustBundle } = await svid(ID);
    expect(certificateChain).toHaveLength(2);
    const again = createSvid({ certificates: [...certificateChain, ...trustBundle.roots], privateKey, trustBundle });
    expect(again.certificateChain).toEqual(certificateChain);
    expect(again).toMatchObject({ id, notBeforeMs: certificateChain[0].notBeforeMs });
  });

  it("refuses a key that belongs to another certificate", async () => {
    const { privateKey } = await generateKey("ecdsa-p256");
    expect(() => createSvid({ ...good, certificates: [leaf], privateKey })).toThrow(
      expect.objectContaining({ code: "KEY_INVALID" }),
    );
  });

  it("refuses a certificate that its own bundle does not lead to", async () => {
    const { trustBundle } = await createTestAuthority();
    expect(() => createSvid({ ...good, certificates: [leaf], trustBundle })).toThrow("does not lead to any root");
  });

  it("refuses a certificate that names nobody, and none at all", async () => {
    const { der, key } = await deviantCertificate(ca.authority.material, { names: [[NAME_TAG.DNS, "a.b"]] });
    const parts = { privateKey: parsePrivateKey(key, "the key"), trustBundle: ca.trustBundle };
    expect(() => createSvid({ ...parts, certificates: [parseCertificate(der)] })).toThrow("is no SVID: it has no URI");
    expect(() => createSvid({ ...parts, certificates: [] })).toThrow("needs a certificate");
  });
});

describe("svidFromIssuedChain", () => {
  const { privateKey } = good;
  const roots = ca.authority.rootsPem;

  test.each([
    ["nothing", [], "has 0 elements"],
    ["no roots", [leaf.pem], "has 1 elements"],
    ["a broken leaf", ["-----BEGIN CERTIFICATE-----\n", roots], "not closed"],
    ["a bundle without roots", [leaf.pem, "\n"], "0 certificates"],
  ])("refuses %s", (_what, chain, problem) => {
    expect(() => svidFromIssuedChain({ id, chain, privateKey })).toThrow(problem);
  });

  it("refuses a certificate of somebody else", () => {
    const other = parseSpiffeId("spiffe://cluster.local/ns/default/sa/other");
    expect(() => svidFromIssuedChain({ id: other, chain: [leaf.pem, roots], privateKey })).toThrow(
      `asked for ${other}, got a certificate of ${id}`,
    );
  });
});

describe("trust bundles", () => {
  it("hold each root once and come back from PEM", async () => {
    const other = await createTestAuthority();
    const merged = mergeTrustBundles(ca.trustBundle, other.trustBundle, ca.trustBundle);
    expect(merged.roots).toHaveLength(2);
    expect(parseTrustBundle(trustBundlePem(merged)).roots.map(({ pem }) => pem)).toEqual(
      merged.roots.map(({ pem }) => pem),
    );
    expect(parseTrustBundle(ca.authority.certificate.der).roots).toHaveLength(1);
  });

  it("hold authorities only", async () => {
    const { der } = await deviantCertificate(ca.authority.material, { extensions: [] });
    expect(createTrustBundle([parseCertificate(der)]).roots).toHaveLength(1);
    expect(() => createTrustBundle([leaf], "root-cert.pem")).toThrow("root-cert.pem holds certificate");
    expect(() => createTrustBundle([])).toThrow(expect.objectContaining({ code: "TRUST_BUNDLE_INVALID" }));
  });
});

describe("staticSource", () => {
  it("gives what it has and refuses the rest", async () => {
    const source = staticSource(good);
    expect(await source.get(id)).toBe(good);
    expect(source.peek(id)).toBe(good);
    expect(source.states()).toEqual([{ id, state: { kind: "Available", svid: good } }]);
    using _subscription = source.subscribe(() => {});
    await expect(source.get(parseSpiffeId("spiffe://a/ns/b/sa/c"))).rejects.toMatchObject({
      code: "SECRET_UNAVAILABLE",
    });
  });
});
