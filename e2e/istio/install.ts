// SPDX-License-Identifier: Apache-2.0
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { realKubeMissing } from "../../packages/istiod/test/support/real-kube.ts";

/** The commit that the reference peers are built from; pinned so that a newer one is looked at by somebody. */
const VERSION = "v0.0.0-20260827124520-eed52ebb66ad";
/** Packages of the Go module `istio.io/istio`; a program is named after the last element. */
const PACKAGES = {
  "pilot-discovery": "pilot/cmd/pilot-discovery",
  "install-cni": "cni/cmd/install-cni",
  istioctl: "istioctl/cmd/istioctl",
} as const;

/** One of Istio's programs. */
export type IstioName = keyof typeof PACKAGES;

const CACHE = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
const FOLDER = process.env["ISTIO_BIN"] ?? join(CACHE, "ambientmesh", "istio", VERSION);

/** Whether a test has what it needs. */
export interface Need<Name extends IstioName> {
  /** Why it can't run here, in one line. */
  readonly missing: string | undefined;
  /** Where a program is. */
  readonly path: (name: Name) => string;
}

/** Builds programs with Go unless that was done before, and looks for an API server. ISTIO_BIN names a folder that has them. */
export async function needIstio<const Name extends IstioName>(...names: Name[]): Promise<Need<Name>> {
  let missing = realKubeMissing;
  for (const name of names) missing ??= await build(name);
  if (missing !== undefined) process.stderr.write(`skipped: ${missing}\n`);
  return { missing, path: (name) => join(FOLDER, name) };
}

async function build(name: IstioName): Promise<string | undefined> {
  if (existsSync(join(FOLDER, name))) return undefined;
  if (process.env["ISTIO_BIN"] !== undefined) return `there is no ${name} in ISTIO_BIN=${FOLDER}`;
  try {
    await mkdir(FOLDER, { recursive: true });
    await promisify(execFile)("nice", ["-n", "10", "go", "install", `istio.io/istio/${PACKAGES[name]}@${VERSION}`], {
      cwd: tmpdir(),
      env: { ...process.env, GOBIN: FOLDER, GOFLAGS: "-p=2" },
    });
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? (error.message.trim().split("\n").at(-1) ?? "") : String(error);
    return `Istio's ${name} can't be built: ${why}`;
  }
}
