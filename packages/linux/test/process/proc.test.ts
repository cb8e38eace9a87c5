// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { parseEffectiveCapabilities } from "../../src/process/capabilities.ts";
import { parseStartTime } from "../../src/process/proc.ts";

const statOf = (name: string, start: bigint): string =>
  `4711 (${name}) S 1 4711 4711 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 ${start} 1000 200 18446744073709551615`;

describe("parseStartTime", () => {
  it("finds field 22 whatever the program is called", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 15 }), fc.bigInt({ min: 0n, max: 2n ** 63n }), (name, start) => {
        expect(parseStartTime(statOf(name, start))).toBe(start);
      }),
    );
    expect(parseStartTime(statOf(") S 1 (x", 99n))).toBe(99n);
  });

  test.each(["", "1 no name", "1 (x) S 1", "1 (x) S 1 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 soon 1"])(
    "gives nothing for %j",
    (text) => expect(parseStartTime(text)).toBeUndefined(),
  );

  it("survives any text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(["bigint", "undefined"]).toContain(typeof parseStartTime(text));
      }),
    );
  });
});

describe("parseEffectiveCapabilities", () => {
  test.each([
    ["CapInh:\t0\nCapEff:\t0000000000000000\n", []],
    ["CapEff:\t0000000000003000\n", ["NET_ADMIN", "NET_RAW"]],
    ["CapPrm:\t000001ffffffffff\nCapEff:\t0000000000200000\nCapBnd:\t000001ffffffffff\n", ["SYS_ADMIN"]],
    ["CapEff:\t0000008000000000\n", ["BPF"]],
    ["nothing here", []],
  ])("%j", (status, names) => expect([...parseEffectiveCapabilities(status)]).toEqual(names));
});
