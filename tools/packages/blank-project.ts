// SPDX-License-Identifier: Apache-2.0
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { npm } from "./programs.ts";
import { ROOT } from "./workspace.ts";

/** Makes an empty project and installs tarballs and packages of the registry ("name@range") into it, without scripts. */
export async function installBlank(folder: string, specifiers: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  copyFileSync(join(ROOT, ".npmrc"), join(folder, ".npmrc"));
  await npm(["install", "--prefer-offline", "--ignore-scripts", "--loglevel=error", ...specifiers], { cwd: folder });
}
