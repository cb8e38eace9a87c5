// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Something a package exports, with what its comment says first. */
export interface Exported {
  readonly name: string;
  /** class, function, interface, type, const. */
  readonly kind: string;
  /** First sentence; empty if it has no comment. */
  readonly summary: string;
}

/** Packages that people install for what they export, in the order of the pages. */
export const LIBRARIES = [
  "core",
  "api",
  "spiffe",
  "ca",
  "hbone",
  "xds",
  "authz",
  "kube",
  "linux",
  "telemetry",
] as const;

const RE_EXPORT = /export (?:type )?(?:\{([^}]*)\}|\*(?: as (\w+))?) from "(\.[^"]+)";/g;
const DECLARATION =
  /(?:^\/\*\*((?:[^*]|\*(?!\/))*)\*\/\n)?^export (?:declare )?(?:async )?(?:abstract )?(class|function|interface|type|const) (\w+)/gm;

/** What a module exports, declared there or elsewhere in the package; generated code is left out. */
export function exportsOf(file: string): Exported[] {
  const source = readFileSync(file, "utf8");
  const own = [...source.matchAll(DECLARATION)].map(([, comment = "", kind = "", name = ""]) => ({
    name,
    kind,
    summary: firstSentence(comment),
  }));
  const others = [...source.matchAll(RE_EXPORT)].flatMap(([, list, namespace, specifier = ""]) => {
    const target = join(dirname(file), specifier);
    if (target.includes("/gen/") || namespace !== undefined) return [];
    const found = exportsOf(target);
    if (list === undefined) return found;
    const wanted = list
      .replaceAll(/\/\/.*$/gm, "")
      .split(",")
      .map((item) => item.replace(/^\s*type\s/, "").trim());
    return wanted.flatMap((item) => {
      const [name = "", alias = name] = item.split(" as ");
      return found.filter((each) => each.name === name).map(({ kind, summary }) => ({ name: alias, kind, summary }));
    });
  });
  return [...own, ...others];
}

/** Up to the first full stop that ends a sentence, links and line breaks made plain. */
function firstSentence(comment: string): string {
  const text = comment
    .replaceAll(/^\s*\*? ?/gm, "")
    .split(/^@/m, 1)[0]
    ?.replaceAll(/\{@link ([^}]+)\}/g, "`$1`")
    .replaceAll(/\s+/g, " ")
    .split(" - ", 1)[0]
    ?.trim();
  return /^.*?[.:](?=\s[A-Z]|$)/.exec(text ?? "")?.[0] ?? text ?? "";
}

/** Entry points of a package by specifier, those of generated messages and those that run a program left out. */
export function entriesOf(root: string, name: string): ReadonlyMap<string, string> {
  const folder = join(root, "packages", name);
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    exports: Record<string, string | Record<string, string>>;
  };
  const entries = Object.entries(exports).flatMap(([subpath, target]) => {
    const source = typeof target === "string" ? undefined : target["@ambientmesh/source"];
    if (source === undefined || source.includes("*") || !existsSync(join(folder, source))) return [];
    return [[`@ambientmesh/${name}${subpath.slice(1)}`, join(folder, source)] as const];
  });
  return new Map(entries.filter(([, file]) => exportsOf(file).length > 0));
}

/** The page of one package. */
export function apiPage(root: string, name: string): string {
  const parts = [...entriesOf(root, name)].map(([specifier, file]) => {
    const rows = exportsOf(file)
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
      .map(({ name: each, kind, summary }) => `- \`${each}\` (${kind})${summary === "" ? "" : `: ${summary}`}`);
    return [`## ${specifier}`, "", ...rows, ""].join("\n");
  });
  return [
    `# What @ambientmesh/${name} exports`,
    "",
    "<!-- Written by `npm run docs`. -->",
    "",
    `The first sentence of each; editors show the rest, and [the README](../../../packages/${name}/README.md) how it goes together.`,
    "",
    ...parts,
  ].join("\n");
}

/** By path, for the generator of pages. */
export const API_PAGES: readonly (readonly [path: string, write: (root: string) => Promise<string>])[] = LIBRARIES.map(
  (name) => [`docs/reference/api/${name}.md`, async (root) => apiPage(root, name)],
);
