// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { installedSize } from "./installed-size.ts";
import { closureOf, publishedPackages } from "./workspace.ts";

const packages = publishedPackages();
const nameOf = (name: string): string | undefined => packages.find(({ shortName }) => shortName === name)?.shortName;

it("knows the packages that are published, and what each needs of the others", () => {
  expect(nameOf("core")).toBe("core");
  expect(nameOf("testkit")).toBeUndefined();
  const hbone = packages.find(({ shortName }) => shortName === "hbone");
  if (hbone === undefined) throw new Error("hbone is not published");
  const closure = closureOf(hbone, packages).map(({ shortName }) => shortName);
  expect(closure.toSorted()).toEqual(["core", "hbone", "spiffe"]);
});

it.each(packages.map(({ shortName, folder }) => [shortName, folder] as const))(
  "%s has the texts that npm packs along",
  (_name, folder) => {
    expect(["README.md", "LICENSE"].filter((file) => !existsSync(join(folder, file)))).toEqual([]);
  },
);

it("counts the files of a package and of all it links to, once each", () => {
  const project = mkdtempSync(join(tmpdir(), "ambientmesh-size-"));
  try {
    const store = join(project, "node_modules", ".store");
    const place = (entry: string, name: string, octets: number): string => {
      const folder = join(store, entry, "node_modules", name);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "index.js"), "x".repeat(octets));
      return folder;
    };
    const [main, left, right] = [place("a", "@scope/a", 1000), place("b", "b", 200), place("c", "c", 30)];
    mkdirSync(join(project, "node_modules", "@scope"));
    symlinkSync(main, join(project, "node_modules", "@scope", "a"));
    for (const [from, to] of [
      ["a", left],
      ["a", right],
      ["b", right],
      ["c", left],
    ] as const) {
      const name = to.split("/").at(-1) ?? "";
      symlinkSync(to, join(store, from, "node_modules", name));
    }
    expect(installedSize(project, "@scope/a")).toEqual({ octets: 1230, dependencies: ["b", "c"] });
  } finally {
    rmSync(project, { recursive: true });
  }
});
