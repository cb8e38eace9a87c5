// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { kubeErrors } from "../../src/index.ts";

it("the README's example is the one that runs, and it is true", async () => {
  const readme = await readFile(join(import.meta.dirname, "../../README.md"), "utf8");
  const example = await readFile(join(import.meta.dirname, "readme-example.ts"), "utf8");
  expect(/```ts\n([^]*?)```/.exec(readme)?.[1]).toBe(example.replace(/^.*\n/, ""));
  const { seen } = await import("./readme-example.ts");
  expect(seen).toEqual(["default/web Pending", "default/web gone"]);
});

it("each error code has a sentence", () => {
  for (const sentence of Object.values(kubeErrors.codes)) expect(sentence).toMatch(/^[A-Z].*\.$/);
});
