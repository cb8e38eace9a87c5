// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..", "..", "..");
const GEN = join("packages", "api", "src", "gen");

function contents(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return new Map(files.toSorted().map((file) => [file, readFileSync(join(folder, file), "utf8")]));
}

it("`npm run generate` reproduces the committed code", () => {
  const output = mkdtempSync(join(tmpdir(), "ambientmesh-gen-"));
  try {
    const scripts = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: { generate: string } })
      .scripts;
    const [command, ...args] = scripts.generate.split(" ");
    const result = spawnSync(command as string, [...args, "-o", output], {
      cwd: ROOT,
      encoding: "utf8",
      env: { ...process.env, PATH: `${join(ROOT, "node_modules", ".bin")}:${process.env["PATH"]}` },
    });
    expect(result.stderr).toBe("");
    expect(result.status).toBe(0);
    expect(contents(join(output, GEN))).toEqual(contents(join(ROOT, GEN)));
  } finally {
    rmSync(output, { recursive: true });
  }
});
