// SPDX-License-Identifier: Apache-2.0
import { existsSync, lstatSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** What comes with a package. */
export interface InstalledSize {
  /** Octets of all files, its own and its dependencies'. */
  readonly octets: number;
  /** Names of what it needs, directly or not, itself excluded. */
  readonly dependencies: readonly string[];
}

/** Measures a package in a project that was installed with `--install-strategy=linked`. */
export function installedSize(project: string, name: string): InstalledSize {
  const own = realpathSync(join(project, "node_modules", name));
  const folders = new Set([own]);
  for (const folder of folders) for (const found of dependenciesOf(folder)) folders.add(found);
  const octets = [...folders].reduce((sum, folder) => sum + sizeOf(folder), 0);
  const dependencies = [...folders].filter((folder) => folder !== own).map(nameOf);
  return { octets, dependencies: dependencies.sort() };
}

/** The packages linked beside one in the folder node_modules that it has for itself. */
function dependenciesOf(folder: string): string[] {
  const neighbours = nameOf(folder).startsWith("@") ? dirname(dirname(folder)) : dirname(folder);
  const names = readdirSync(neighbours).flatMap((entry) => {
    if (entry.startsWith(".")) return [];
    return entry.startsWith("@") ? readdirSync(join(neighbours, entry)).map((rest) => join(entry, rest)) : [entry];
  });
  return names
    .map((name) => join(neighbours, name))
    .filter(existsSync)
    .map((path) => realpathSync(path));
}

function nameOf(folder: string): string {
  const scope = basename(dirname(folder));
  return scope.startsWith("@") ? join(scope, basename(folder)) : basename(folder);
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + lstatSync(join(entry.parentPath, entry.name)).size, 0);
}
