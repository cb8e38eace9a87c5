// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  formatSpiffeId,
  isSpiffeId,
  parseSpiffeId,
  parseTrustDomain,
  spiffeIdParts,
  trustDomainOf,
} from "../../src/index.ts";
import { outcomeOf } from "../outcome.ts";

const segment = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,40}$/);

describe("parseSpiffeId", () => {
  test.each([
    ["spiffe://cluster.local/ns/default/sa/web", "cluster.local", "default", "web"],
    ["spiffe://Example.COM/ns/a.b/sa/c-d_e", "Example.COM", "a.b", "c-d_e"],
    ["spiffe://td/ns//sa/", "td", "", ""],
  ])("%s", (text, trustDomain, namespace, serviceAccount) => {
    const id = parseSpiffeId(text);
    expect(spiffeIdParts(id)).toEqual({ trustDomain, namespace, serviceAccount });
    expect(trustDomainOf(id)).toBe(trustDomain);
  });

  test.each([
    ["", "nothing"],
    ["spiffe://td/ns/a/sa/b/", "a slash at the end"],
    ["spiffe://td/ns/a/sa/b/c", "a further segment"],
    ["spiffe://td/ns/a/sa", "too few segments"],
    ["spiffe:///ns/a/sa/b", "no trust domain"],
    ["SPIFFE://td/ns/a/sa/b", "a scheme in capitals"],
    ["https://td/ns/a/sa/b", "another scheme"],
    ["spiffe://td/NS/a/sa/b", "other words"],
    ["spiffe://td/sa/a/ns/b", "the words in another order"],
    ["spiffe://td:1/ns/a/sa/b", "a port"],
    ["spiffe://u@td/ns/a/sa/b", "a user"],
    ["spiffe://td/ns/a/sa/b?c", "a query"],
    ["spiffe://td/ns/a/sa/b#c", "a fragment"],
    ["spiffe://td/ns/%61/sa/b", "an escape"],
    ["spiffe://td/ns/../sa/b", "a step up"],
    ["spiffe://td/ns/a/sa/.", "a dot"],
    ["spiffe://td/ns/a/sa/b\0", "a NUL"],
    ["spiffe://td/ns/a\n/sa/b", "a line break"],
    ["spiffe://td/ns/ä/sa/b", "a letter beyond ASCII"],
    [" spiffe://td/ns/a/sa/b", "a blank"],
    [`spiffe://${"t".repeat(256)}/ns/a/sa/b`, "a trust domain above 255 bytes"],
    [`spiffe://td/ns/a/sa/${"b".repeat(2048)}`, "more than 2048 bytes"],
  ])("refuses %j: %s", (text) => {
    expect(isSpiffeId(text)).toBe(false);
    expect(() => parseSpiffeId(text)).toThrow(expect.objectContaining({ code: "SPIFFE_ID_INVALID" }));
  });

  it("keeps what it reads: parts and text are two forms of one thing", () => {
    fc.assert(
      fc.property(segment, segment, segment, (trustDomain, namespace, serviceAccount) => {
        const id = formatSpiffeId({ trustDomain, namespace, serviceAccount });
        expect(spiffeIdParts(id)).toEqual({ trustDomain, namespace, serviceAccount });
        expect(formatSpiffeId(spiffeIdParts(id))).toBe(id);
      }),
    );
  });

  it("reads any text or throws its own error", async () => {
    const nearlyAnId = fc
      .tuple(fc.string(), fc.string(), fc.string())
      .map(([a, b, c]) => `spiffe://${a}/ns/${b}/sa/${c}`);
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), nearlyAnId), async (text) => {
        const expected = isSpiffeId(text) ? "read" : "SPIFFE_ID_INVALID";
        expect(await outcomeOf(() => parseSpiffeId(text))).toBe(expected);
      }),
    );
  });
});

describe("formatSpiffeId", () => {
  it("refuses parts that would add segments", () => {
    expect(() => formatSpiffeId({ trustDomain: "td", namespace: "a/sa/admin", serviceAccount: "b" })).toThrow(
      expect.objectContaining({ code: "SPIFFE_ID_INVALID" }),
    );
  });
});

describe("parseTrustDomain", () => {
  test.each(["cluster.local", "project.svc.id.goog", "A_b-c"])("%s", (text) =>
    expect(parseTrustDomain(text)).toBe(text),
  );
  test.each(["", "a/b", "a b", "..", "a:1", "x".repeat(256)])("refuses %j", (text) =>
    expect(() => parseTrustDomain(text)).toThrow("is no trust domain"),
  );
});
