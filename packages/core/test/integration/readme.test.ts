// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { coreErrors } from "../../src/index.ts";

const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");

it("the example of the README prints what it says", async () => {
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? "throw new Error('no example')";
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@ambientmesh/source", "--input-type=module-typescript", "--eval", example],
    { cwd: new URL("../..", import.meta.url), timeout: 20_000 },
  );
  expect(stdout).toBe("soup is served\n");
});

it("the README names every error code", () => {
  expect(Object.keys(coreErrors.codes).filter((code) => !readme.includes(`\`${code}\``))).toEqual([]);
});
