// SPDX-License-Identifier: Apache-2.0
import { parseCertificate, parseSpiffeId, svidProblems } from "@ambientmesh/spiffe";
import { describe, expect, it } from "vitest";
import { FakeClock, NAME_TAG, createTestAuthority, deviantCertificate, testSvid } from "../../src/index.ts";

describe("certificate fixtures", () => {
  it("are SVIDs of one authority unless asked otherwise", async () => {
    const [one, other] = [await testSvid(), await testSvid("spiffe://cluster.local/ns/a/sa/b", { ttlSeconds: 60 })];
    expect(one.id).toBe("spiffe://cluster.local/ns/default/sa/default");
    expect(other.notAfterMs - other.notBeforeMs).toBe(180_000);
    expect(one.trustBundle.roots[0]?.pem).toBe(other.trustBundle.roots[0]?.pem);
    expect(svidProblems(one.certificateChain[0])).toEqual([]);
    const { trustBundle } = await createTestAuthority();
    expect(trustBundle.roots[0]?.pem).not.toBe(one.trustBundle.roots[0]?.pem);
  });

  it("can be of another time", async () => {
    const { svid } = await createTestAuthority({ clock: new FakeClock(0) });
    const { notAfterMs } = await svid("spiffe://cluster.local/ns/a/sa/b");
    expect(notAfterMs).toBe(86_400_000);
  });

  it("can break each rule", async () => {
    const { authority, issue } = await createTestAuthority();
    const { der } = await deviantCertificate(authority.material, { names: [[NAME_TAG.DNS, "a.b"]], extensions: [] });
    expect(svidProblems(parseCertificate(der))).toHaveLength(2);
    const id = parseSpiffeId("spiffe://cluster.local/ns/a/sa/b");
    await expect(issue("", id, new AbortController().signal)).rejects.toMatchObject({ code: "CA_CSR_INVALID" });
  });
});
