// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { CanonicalForms } from "../../src/redirection/canonical-forms.ts";

describe("canonical forms", () => {
  it("are asked for once, also by several at a time", async () => {
    let asked = 0;
    const forms = new CanonicalForms(async (text) => `${text} ${++asked}`);
    expect(await Promise.all([forms.of("a"), forms.of("a"), forms.of("b")])).toEqual(["a 1", "a 1", "b 2"]);
    expect(await forms.of("a")).toBe("a 1");
  });

  it("are asked for again after a failure", async () => {
    let isBroken = true;
    const forms = new CanonicalForms(async (text) => {
      if (isBroken) throw new Error("no");
      return text;
    });
    await expect(forms.of("a")).rejects.toThrow("no");
    isBroken = false;
    expect(await forms.of("a")).toBe("a");
  });

  it("are forgotten when there are too many", async () => {
    let asked = 0;
    const forms = new CanonicalForms(async () => ++asked);
    for (let index = 0; index <= 64; index++) await forms.of(`${index}`);
    expect([await forms.of("64"), await forms.of("0")]).toEqual([65, 66]);
  });
});
