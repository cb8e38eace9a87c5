// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { readFile, readdir } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");

it("the example of the README prints what the README says", async () => {
  const [example, output] = [/```ts\n(.*?)```/s, /```text\n(.*?)```/s].map(
    (block) => block.exec(readme)?.[1] ?? "none",
  );
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--conditions=@ambientmesh/source", "--input-type=module-typescript", "--eval", example ?? ""],
    { cwd: new URL("../..", import.meta.url), timeout: 25_000 },
  );
  expect(stdout).toBe(output);
});

it("the README lists the subpaths there are", async () => {
  const { exports } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as {
    exports: Record<string, unknown>;
  };
  const envoy = await readdir(new URL("../../src/envoy", import.meta.url));
  const subpaths = [
    ...Object.keys(exports).filter((subpath) => !/json|\*/.test(subpath)),
    ...envoy.filter((file) => file !== "index.ts").map((file) => `./envoy/${file.replace(".ts", "")}`),
  ].map((subpath) => (subpath === "." ? "." : subpath.slice(1)));
  const listed = [...readme.matchAll(/^\| `(\.|\/[a-z/-]+)`/gm)].map(([, subpath]) => subpath);
  expect(new Set(listed)).toEqual(new Set(subpaths));
});
