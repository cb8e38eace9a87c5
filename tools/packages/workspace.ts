// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** The checkout. */
export const ROOT: string = join(import.meta.dirname, "..", "..");

/** What this repository reads of a package.json. */
export interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly bin?: Readonly<Record<string, string>>;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** A package that users may install. */
export interface PublishedPackage {
  /** "hbone" of "@ambientmesh/hbone". */
  readonly shortName: string;
  readonly folder: string;
  readonly manifest: Manifest;
}

/** Every package that is published, those without dependencies on others first. */
export function publishedPackages(): PublishedPackage[] {
  const all = readdirSync(join(ROOT, "packages"))
    .filter((shortName) => existsSync(join(ROOT, "packages", shortName, "package.json")))
    .map((shortName) => {
      const folder = join(ROOT, "packages", shortName);
      return { shortName, folder, manifest: readManifest(folder) };
    })
    .filter(({ manifest }) => manifest.private !== true);
  return all.sort((one, other) => closureOf(one, all).length - closureOf(other, all).length);
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/** A package and all packages of this repository that it needs. */
export function closureOf(from: PublishedPackage, all: readonly PublishedPackage[]): PublishedPackage[] {
  const found = new Set([from]);
  for (const each of found) {
    for (const other of all) if (other.manifest.name in (each.manifest.dependencies ?? {})) found.add(other);
  }
  return [...found];
}
