// SPDX-License-Identifier: Apache-2.0
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { npm, run } from "./programs.ts";
import { ROOT, publishedPackages, type PublishedPackage } from "./workspace.ts";

/** A package as npm would publish it. */
export interface PackedPackage extends PublishedPackage {
  /** Path of the .tgz. */
  readonly tarball: string;
  /** Octets of the .tgz. */
  readonly packedSize: number;
  /** Paths inside, relative to the package. */
  readonly files: readonly string[];
}

interface NpmPackReport {
  readonly name: string;
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

/** Builds everything and packs each published package into `folder`. */
export async function packAll(folder: string): Promise<PackedPackage[]> {
  await run(process.execPath, [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-b"], { cwd: ROOT });
  const packages = publishedPackages();
  for (const each of packages) dropStale(each.folder);
  const workspaces = packages.map(({ shortName }) => `--workspace=packages/${shortName}`);
  const output = await npm(["pack", "--json", `--pack-destination=${folder}`, ...workspaces], { cwd: ROOT });
  const reports = new Map((JSON.parse(output) as NpmPackReport[]).map((report) => [report.name, report]));
  return packages.map(({ shortName, folder: source, manifest }) => {
    const report = reports.get(manifest.name);
    if (report === undefined) throw new Error(`npm pack did not say what it made of ${manifest.name}`);
    const tarball = join(folder, report.filename);
    const files = report.files.map(({ path }) => path);
    return { shortName, folder: source, manifest, tarball, packedSize: report.size, files };
  });
}

/** tsc leaves behind what it made of sources that are gone; a clean checkout has none of it. */
function dropStale(folder: string): void {
  const dist = join(folder, "dist");
  for (const path of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    const source = join(folder, "src", path.replace(/(\.d)?\.[jt]s(\.map)?$/, ".ts"));
    if (/\.[jt]s(\.map)?$/.test(path) && !existsSync(source)) rmSync(join(dist, path));
  }
}
