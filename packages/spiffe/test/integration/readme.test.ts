// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { spiffeErrors } from "../../src/index.ts";

const readme = await readFile(join(import.meta.dirname, "../../README.md"), "utf8");

it("the README's example is the one that runs, and it is true", async () => {
  const example = await readFile(join(import.meta.dirname, "readme-example.ts"), "utf8");
  expect(/```ts\n([^]*?)```/.exec(readme)?.[1]).toBe(example.replace(/^.*\n/, ""));
  const { greeting } = await import("./readme-example.ts");
  expect(greeting.join("")).toBe("hello spiffe://cluster.local/ns/default/sa/web");
});

it("each error code has a sentence", () => {
  for (const sentence of Object.values(spiffeErrors.codes)) expect(sentence).toMatch(/^[A-Z].*\.$/);
});
