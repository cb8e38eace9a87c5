// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";

it("the README's example is the one that runs, and it is true", async () => {
  const readme = await readFile(join(import.meta.dirname, "../../README.md"), "utf8");
  const example = await readFile(join(import.meta.dirname, "readme-example.ts"), "utf8");
  expect(/```ts\n([^]*?)```/.exec(readme)?.[1]).toBe(example.replace(/^.*\n/, ""));
  const { answer } = await import("./readme-example.ts");
  expect(answer).toEqual(["hello"]);
});
