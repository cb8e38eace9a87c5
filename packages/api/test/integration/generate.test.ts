// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..", "..", "..");

function contents(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  return new Map(files.toSorted().map((file) => [file, readFileSync(join(folder, file), "utf8")]));
}

test.each([
  ["generate", ".", "packages/api/src/gen"],
  ["generate:fixtures", "packages/api", "packages/api/test/fixtures/gen"],
])("`npm run %s` reproduces the committed code", (name, folder, generated) => {
  const output = mkdtempSync(join(tmpdir(), "ambientmesh-gen-"));
  try {
    const manifest = readFileSync(join(ROOT, folder, "package.json"), "utf8");
    const { scripts } = JSON.parse(manifest) as { scripts: Record<string, string> };
    const result = spawnSync("sh", ["-c", `${scripts[name]} -o ${output}`], {
      cwd: join(ROOT, folder),
      encoding: "utf8",
      env: { ...process.env, PATH: `${join(ROOT, "node_modules", ".bin")}:${process.env["PATH"]}` },
    });
    expect(result.stderr).toBe("");
    expect(result.status).toBe(0);
    expect(contents(join(output, generated))).toEqual(contents(join(ROOT, generated)));
  } finally {
    rmSync(output, { recursive: true });
  }
});
