// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";

it("the example of the README runs and prints what it says", async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const example = /```ts\n(.*?)```/s.exec(readme)?.[1] ?? "throw new Error('no example')";
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@ambientmesh/source", "--input-type=module-typescript", "--eval", example],
    { cwd: new URL("../..", import.meta.url), timeout: 20_000 },
  );
  expect(stdout.trim()).toBe(/console\.log\(.*\); \/\/ (.*)/.exec(example)?.[1]);
});
