// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { launcher } from "../../src/installer/launcher.ts";

const KINDS = ["script", ...(process.arch === "x64" ? ["x64"] : [])];

describe.each(KINDS)("a launcher (%s)", (kind) => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "launcher-"));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  const run = (program: string, args: readonly string[]): ReturnType<typeof spawnSync> => {
    const path = join(directory, "istio-cni");
    writeFileSync(path, launcher({ program, args }, kind), { mode: 0o755 });
    return spawnSync(path, ["ignored", "too"], { env: { CNI_COMMAND: "ADD" }, input: "from the runtime" });
  };

  it("becomes the command, with its own environment and input", () => {
    const { status, stdout } = run("/bin/sh", ["-c", 'echo "$CNI_COMMAND $0 $1"; cat; exit 3', "it's", "a b"]);
    expect([status, String(stdout)]).toEqual([3, "ADD it's a b\nfrom the runtime"]);
  });

  it.runIf(kind === "x64")("says what is wrong if that is gone", () => {
    const { status, stdout } = run("/nowhere/node", []);
    expect(status).toBe(1);
    expect(JSON.parse(String(stdout))).toMatchObject({ code: 999, msg: /runtime is missing/ });
  });
});
