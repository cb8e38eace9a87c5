// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesBelow, importsBelow, importsOf } from "./imports.ts";
import { ALLOWED, ONLY_AS_PROCESSES, WITHOUT_NATIVE_CODE } from "./layers.ts";

interface Manifest {
  readonly private?: boolean;
  readonly dependencies?: Record<string, string>;
  readonly scripts?: Record<string, string>;
}

const ROOT = join(import.meta.dirname, "..", "..");
const PACKAGES = join(ROOT, "packages");
const SCOPE = "@ambientmesh/";
const packages = readdirSync(PACKAGES).filter((name) => existsSync(join(PACKAGES, name, "package.json")));
const manifestOf = (name: string): Manifest =>
  JSON.parse(readFileSync(join(PACKAGES, name, "package.json"), "utf8")) as Manifest;
const packageOf = (specifier: string): string => specifier.slice(SCOPE.length).split("/")[0] as string;

/** "file imports specifier" for each import of a package that the layers do not allow. */
function violations(name: string, imports = importsBelow(join(PACKAGES, name, "src"))): string[] {
  return imports
    .filter(({ specifier }) => specifier.startsWith(SCOPE))
    .filter(({ specifier }) => {
      const target = packageOf(specifier);
      const isAllowed = target === name || ALLOWED[name]?.includes(target);
      return !isAllowed || (ONLY_AS_PROCESSES.includes(target) && target !== name);
    })
    .map(({ file, specifier }) => `${file.slice(ROOT.length + 1)} imports ${specifier}`);
}

describe("packages", () => {
  it("are all known to the layers", () => {
    expect(packages.filter((name) => !(name in ALLOWED))).toEqual([]);
  });

  it.each(packages)("%s imports only what lies below it", (name) => {
    expect(violations(name)).toEqual([]);
  });

  it.each(packages)("%s never reaches into another package's files", (name) => {
    const outside = importsBelow(join(PACKAGES, name, "src")).filter(({ specifier }) => {
      if (!specifier.startsWith(".")) return specifier.includes("/src/") || specifier.includes("/dist/");
      return specifier.split("/").filter((part) => part === "..").length > 4;
    });
    expect(outside).toEqual([]);
  });

  it.each(packages)("%s declares the workspace packages it imports, and no others that the layers forbid", (name) => {
    const declared = Object.keys(manifestOf(name).dependencies ?? {})
      .filter((dependency) => dependency.startsWith(SCOPE))
      .map(packageOf);
    expect(declared.filter((target) => !ALLOWED[name]?.includes(target))).toEqual([]);
    const used = importsBelow(join(PACKAGES, name, "src"))
      .filter(({ specifier }) => specifier.startsWith(SCOPE))
      .map(({ specifier }) => packageOf(specifier))
      .filter((target) => target !== name);
    expect([...new Set(used)].filter((target) => !declared.includes(target))).toEqual([]);
  });

  it.each(WITHOUT_NATIVE_CODE.filter((name) => packages.includes(name)))(
    "%s has no native code and no install script",
    (name) => {
      const { dependencies = {}, scripts = {} } = manifestOf(name);
      expect(Object.keys(dependencies)).not.toContain("koffi");
      expect(Object.keys(scripts).filter((script) => /install|prepare/.test(script))).toEqual([]);
    },
  );

  it("never publishes the testkit, and no published package depends on it", () => {
    expect(manifestOf("testkit").private).toBe(true);
    const dependants = packages.filter((name) => `${SCOPE}testkit` in (manifestOf(name).dependencies ?? {}));
    expect(dependants).toEqual([]);
  });
});

describe("the check itself", () => {
  it.each([
    ["core", "@ambientmesh/api"],
    ["hbone", "@ambientmesh/ztunnel"],
    ["istiod", "@ambientmesh/ztunnel"],
    ["authz", "@ambientmesh/kube/local"],
    ["cli", "@ambientmesh/istiod"],
  ])("finds an import from %s of %s", (name, specifier) => {
    expect(violations(name, [{ file: join(ROOT, "x.ts"), specifier }])).toEqual([`x.ts imports ${specifier}`]);
  });

  it("sees static, type, dynamic and re-exporting imports", () => {
    const source = `import a from "a"; import type { B } from 'b';\nexport * from "c"; await import("d"); import "e";`;
    expect(importsOf(source)).toEqual(["a", "b", "c", "d", "e"]);
  });
});

describe("files", () => {
  const sources = ["packages", "tools", "bench", "e2e", "examples"].flatMap((folder) =>
    filesBelow(join(ROOT, folder), [".ts", ".mjs", ".js"]),
  );

  it("carry the licence identifier in their first lines", () => {
    const without = sources.filter(
      (file) => !readFileSync(file, "utf8").split("\n", 2).includes("// SPDX-License-Identifier: Apache-2.0"),
    );
    expect(without.map((file) => file.slice(ROOT.length + 1))).toEqual([]);
  });

  it("are not named after nothing in particular", () => {
    const vague = /\/(utils?|helpers?|common|misc|shared)\.(ts|mjs)$/;
    expect(sources.filter((file) => vague.test(file))).toEqual([]);
  });
});
