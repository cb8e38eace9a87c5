// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseQuery } from "../../src/route/query.ts";

test.each([
  ["/a", []],
  ["/a?", []],
  ["/a?b", [["b", ""]]],
  [
    "/a?b=1&b=2&c=3=4",
    [
      ["b", "1"],
      ["c", "3=4"],
    ],
  ],
  ["/a?&&b=%31#c=5", [["b", "%31"]]],
])("%s has %j", (path, expected) => expect([...parseQuery(path)]).toEqual(expected));

test("each parameter is found by its name", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "%", "1", "+"), minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name }), (pairs) => {
      const query = parseQuery(`/p?${pairs.map(([name, value]) => `${name}=${value}`).join("&")}`);
      expect([...query]).toEqual(pairs);
    }),
  );
});
