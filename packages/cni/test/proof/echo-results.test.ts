// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseEchoes } from "../../src/proof/echo-results.ts";
import { understoodOrRefused } from "../support/understood-or-refused.ts";

test.each([
  ['{"echoes":{"u":{"ok":true,"ageMs":12}}}', [["u", { isAnswered: true, ageMs: 12, reason: "it gave no reason" }]]],
  [
    '{"echoes":{"u":{"ok":false,"ageMs":0,"reason":"refused"},"v":{"ok":1,"ageMs":0},"w":null,"x":{"ok":true,"ageMs":-1}}}',
    [["u", { isAnswered: false, ageMs: 0, reason: "refused" }]],
  ],
  ['{"echoes":[]}', []],
  ["{}", []],
  ["null", []],
  ["3", []],
])("%s", (text, expected) => {
  expect([...parseEchoes(text)]).toEqual(expected);
});

test("whatever a proxy says is understood, or no JSON", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      const outcome = understoodOrRefused(
        () => parseEchoes(text),
        (error) => error instanceof SyntaxError,
      );
      expect(outcome).toMatch(/understood|refused/);
    }),
  );
});
