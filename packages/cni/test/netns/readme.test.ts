// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/readme.test.ts
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { execPath } from "node:process";
import { describe, expect, it } from "vitest";
import { canUseNetns } from "@ambientmesh/testkit";

const FOLDER = new URL("../../", import.meta.url).pathname;

describe.runIf(canUseNetns(process.env))("the README", () => {
  it("has an example that does what it says", () => {
    const example = /```ts\n([\s\S]+?)```/.exec(readFileSync(`${FOLDER}README.md`, "utf8"))?.[1] ?? "";
    const options = ["--conditions=@ambientmesh/source", "--input-type=module-typescript", "-e", example];
    const { stdout, stderr } = spawnSync(execPath, options, { encoding: "utf8", cwd: FOLDER });
    expect([stdout, stderr]).toEqual(["intact\n", ""]);
  });
});
