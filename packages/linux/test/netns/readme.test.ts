// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { mayUseNetns } from "./two-pods.ts";

const FOLDER = new URL("../../", import.meta.url).pathname;

describe.runIf(mayUseNetns())("the README", () => {
  it("has an example that does what it says", () => {
    const example = /```ts\n([\s\S]*?)```/.exec(readFileSync(`${FOLDER}README.md`, "utf8"))?.[1] ?? "";
    const options = ["--conditions=@ambientmesh/source", "--input-type=module-typescript", "-e", example];
    const { stdout, stderr } = spawnSync(process.execPath, options, { encoding: "utf8", cwd: FOLDER });
    expect(stderr).toBe("");
    expect(stdout).toBe("{ address: '127.0.0.1', port: 80, via: 'conntrack' }\n");
  });
});
