// SPDX-License-Identifier: Apache-2.0
import { createIntermediate, createRoot, renewRoot } from "@ambientmesh/ca";
import { createTestAuthority } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { buildPath, isIssuedBy, parseCertificates, type Certificate } from "../../src/index.ts";

const EC = { keyType: "ecdsa-p256" } as const;
const only = (pem: string): Certificate => parseCertificates(pem, "the test")[0] as Certificate;

const root = await createRoot("one", EC);
const middle = await createIntermediate(root, "middle", EC);
const other = await createRoot("one", EC);
const otherMiddle = await createIntermediate(other, "middle", EC);
const { svid } = await createTestAuthority({ material: middle });
const [leaf] = (await svid("spiffe://cluster.local/ns/default/sa/default")).certificateChain;
const certificates = { root, middle, other, otherMiddle };
const by = Object.fromEntries(
  Object.entries(certificates).map(([name, { certificatePem }]) => [name, only(certificatePem)]),
) as Record<keyof typeof certificates, Certificate>;

describe("buildPath", () => {
  it("goes from leaf to root, whatever order the rest is in", () => {
    expect(buildPath(leaf, [by.root, by.middle], [by.root])).toEqual([leaf, by.middle, by.root]);
  });

  it("tells authorities with one name apart by their keys", () => {
    expect(by.otherMiddle.subject).toEqual(by.middle.subject);
    expect(buildPath(leaf, [by.otherMiddle, by.middle], [by.other, by.root])).toEqual([leaf, by.middle, by.root]);
    expect(buildPath(leaf, [by.otherMiddle], [by.other, by.root])).toBeUndefined();
    expect(isIssuedBy(leaf, by.otherMiddle)).toBe(false);
  });

  it("stops at an intermediate that is trusted itself", () => {
    expect(buildPath(leaf, [], [by.middle])).toEqual([leaf, by.middle]);
    expect(buildPath(by.middle, [], [by.middle])).toEqual([by.middle]);
  });

  it("finds nothing without the intermediate or the root, and does not run in circles", () => {
    expect(buildPath(leaf, [], [by.root])).toBeUndefined();
    expect(buildPath(leaf, [by.middle, by.root, by.middle, by.root], [by.other])).toBeUndefined();
  });

  it("leads to a renewed root of the same key", async () => {
    const renewed = only((await renewRoot(root)).certificatePem);
    expect(buildPath(leaf, [by.middle], [renewed])).toEqual([leaf, by.middle, renewed]);
  });

  it("gives up on a heap of impostors", async () => {
    const impostors = await Promise.all(
      Array.from({ length: 40 }, async () => only((await createRoot("one", EC)).certificatePem)),
    );
    expect(buildPath(by.middle, [], [...impostors, by.root])).toBeUndefined();
  });
});
