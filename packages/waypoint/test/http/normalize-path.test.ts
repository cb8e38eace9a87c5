// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normalizePath } from "../../src/http/normalize-path.ts";

const OPTIONS = { isNormalized: true, mergesSlashes: true, escapedSlashes: "keep" } as const;

describe("normalised paths", () => {
  test.each([
    ["/a/../b", "/b"],
    ["/a/%2E%2e/b", "/b"],
    ["/a\\..\\b", "/b"],
    ["//a///b", "/a/b"],
    ["/%61dmin", "/admin"],
    ["/a%2Fb", "/a%2Fb"],
    ["/a?x=../y//z", "/a?x=../y//z"],
    ["/../..", "/"],
  ])("%s is %s", (path, expected) => {
    expect(normalizePath(path, OPTIONS)).toEqual({ kind: "path", path: expected });
  });

  test.each(["a", "", "/a#b", "/a%00"])("%j is refused", (path) => {
    expect(normalizePath(path, OPTIONS).kind).toBe("refused");
  });

  test("escaped slashes are refused, unescaped or left alone, as is asked for", () => {
    const outcome = (escapedSlashes: "reject" | "unescape-and-redirect" | "unescape-and-forward"): object =>
      normalizePath("/a%2F..%2fb?c", { ...OPTIONS, escapedSlashes });
    expect(outcome("reject")).toMatchObject({ kind: "refused" });
    expect(outcome("unescape-and-redirect")).toEqual({ kind: "redirect", path: "/b?c" });
    expect(outcome("unescape-and-forward")).toEqual({ kind: "path", path: "/b?c" });
  });

  test("normalising twice changes nothing more, and no dot segment stays", () => {
    const piece = fc.constantFrom("/", "..", ".", "%2e", "%2E", "a", "%41", "\\", "%", "%zz", "é", "?", "|", "%25");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const once = normalizePath(`/${pieces.join("")}`, OPTIONS);
        if (once.kind !== "path") return;
        const [path = ""] = once.path.split("?");
        expect(path.split("/")).not.toContain("..");
        expect(path.split("/")).not.toContain(".");
        // An escaped percent sign is a percent sign only once.
        const again = path.includes("%25") ? once : normalizePath(once.path, OPTIONS);
        expect(again).toEqual(once);
      }),
      { numRuns: 500 },
    );
  });
});
