// SPDX-License-Identifier: Apache-2.0
// Runs every program under examples/libraries: npx vitest run --project e2e e2e/packages/examples.test.ts
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { run } from "../../tools/packages/programs.ts";
import { ROOT } from "../../tools/packages/workspace.ts";

const FOLDER = join(ROOT, "examples", "libraries");
const programs = readdirSync(FOLDER).filter((file) => file.endsWith(".ts"));
const runExample = (file: string, ...options: string[]): Promise<string> =>
  run(process.execPath, ["--conditions=@ambientmesh/source", ...options, join(FOLDER, file)], { cwd: FOLDER });

it.each(programs.filter((file) => !file.includes("-in-a-test")))("%s prints what its comments say", async (file) => {
  const said = [...readFileSync(join(FOLDER, file), "utf8").matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)];
  expect(said.length).toBeGreaterThan(0);
  expect(await runExample(file)).toBe(said.map(([, line]) => `${line}\n`).join(""));
});

it.each(programs.filter((file) => file.includes("-in-a-test")))("the tests in %s pass", async (file) => {
  const output = await runExample(file, "--test", "--test-reporter=tap");
  expect(output).toMatch(/^# tests [1-9]/m);
  expect(output).toMatch(/^# fail 0$/m);
});

it("the README lists every program", () => {
  const readme = readFileSync(join(FOLDER, "README.md"), "utf8");
  expect(programs.filter((file) => !readme.includes(`(${file})`))).toEqual([]);
});
