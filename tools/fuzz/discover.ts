// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { FuzzTarget, FuzzTargets } from "@ambientmesh/testkit";

const PACKAGES = join(import.meta.dirname, "..", "..", "packages");

/** A target with its place. */
export interface FoundTarget {
  /** "hbone/frames". */
  readonly id: string;
  readonly target: FuzzTarget;
}

/** URL of the module that exports a target. */
export function moduleOf(id: string): string {
  return pathToFileURL(join(PACKAGES, id.split("/")[0] ?? "", "fuzz", "targets.ts")).href;
}

/** Every target of every package. */
export async function findTargets(): Promise<FoundTarget[]> {
  const found: FoundTarget[] = [];
  for (const name of readdirSync(PACKAGES).sort()) {
    if (!existsSync(new URL(moduleOf(`${name}/`)))) continue;
    const { targets } = (await import(moduleOf(`${name}/`))) as { targets: FuzzTargets };
    for (const [part, target] of Object.entries(targets)) {
      found.push({ id: `${name}/${part}`, target });
    }
  }
  return found;
}

/** Folder of a target's kept inputs. */
export function corpusOf(id: string): string {
  const [name = "", part = ""] = id.split("/");
  return join(PACKAGES, name, "fuzz", "corpus", part);
}

/** The kept inputs of a target, by file name. */
export function keptInputs(id: string): ReadonlyMap<string, Buffer> {
  const corpus = corpusOf(id);
  if (!existsSync(corpus)) return new Map();
  return new Map(
    readdirSync(corpus)
      .sort()
      .map((file) => [file, readFileSync(join(corpus, file))]),
  );
}

/** True if a pattern of the command line ("hbone", "frames", "hbone/frames") names the target. */
export function isNamed(id: string, pattern: string | undefined): boolean {
  return pattern === undefined || pattern === id || id.split("/").includes(pattern);
}
