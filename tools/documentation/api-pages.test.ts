// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LIBRARIES, entriesOf, exportsOf } from "./api-pages.ts";

const ROOT = join(import.meta.dirname, "..", "..");

describe("the reference of what packages export", () => {
  it.each(LIBRARIES.filter((name) => name !== "api"))("knows all that can be imported from %s", async (name) => {
    for (const [specifier, file] of entriesOf(ROOT, name)) {
      const { default: _unused, ...values } = (await import(file)) as Record<string, unknown>;
      const known = new Set(exportsOf(file).map((each) => each.name));
      const missing = Object.keys(values).filter((value) => !known.has(value));
      expect({ specifier, missing }).toEqual({ specifier, missing: [] });
    }
  });

  it("takes the first sentence of a comment, and leaves out what is generated", () => {
    const file = join(ROOT, "packages", "core", "src", "index.ts");
    expect(exportsOf(file).find(({ name }) => name === "Backoff")).toEqual({
      name: "Backoff",
      kind: "class",
      summary: "Exponential delays for retries; one per retried thing.",
    });
    const generated = [...entriesOf(ROOT, "api").values()].flatMap(exportsOf).map(({ name }) => name);
    expect(generated).toContain("ADDRESS_TYPE_URL");
    expect(generated).not.toContain("WorkloadSchema");
  });
});
