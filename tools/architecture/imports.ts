// SPDX-License-Identifier: Apache-2.0
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const SPECIFIER = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g;

/** Every file below a folder with one of the endings, without generated and built ones. */
export function filesBelow(folder: string, endings: readonly string[]): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return ["node_modules", "dist", "gen"].includes(entry.name) ? [] : filesBelow(path, endings);
    return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
  });
}

/** The module specifiers a source file names, in static and dynamic imports and in re-exports. */
export function importsOf(source: string): string[] {
  return [...source.matchAll(SPECIFIER)].map((match) => match[1] as string);
}

/** One import from a package's sources. */
export interface PackageImport {
  readonly file: string;
  readonly specifier: string;
}

/** The imports of all sources in a folder. */
export function importsBelow(folder: string): PackageImport[] {
  return filesBelow(folder, [".ts"]).flatMap((file) =>
    importsOf(readFileSync(file, "utf8")).map((specifier) => ({ file, specifier })),
  );
}
