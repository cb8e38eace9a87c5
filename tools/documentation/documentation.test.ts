// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesBelow } from "../architecture/imports.ts";
import { errorCodes } from "./errors-page.ts";
import { PAGES } from "./pages.ts";

const ROOT = join(import.meta.dirname, "..", "..");

describe("generated pages", () => {
  it.each([...PAGES.keys()])("%s is what `npm run docs` writes", async (path) => {
    expect(readFileSync(join(ROOT, path), "utf8")).toBe(await PAGES.get(path)?.(ROOT));
  });
});

describe("error codes", () => {
  it("belong to one package each", async () => {
    const seen = new Set<string>();
    for (const codes of (await errorCodes(ROOT)).values()) {
      for (const code of codes.keys()) {
        expect(seen, "codes seen in other packages").not.toContain(code);
        seen.add(code);
      }
    }
  });

  it("are all used", async () => {
    for (const [name, codes] of await errorCodes(ROOT)) {
      const sources = filesBelow(join(ROOT, "packages", name, "src"), [".ts"])
        .filter((file) => !file.endsWith("/errors.ts"))
        .map((file) => readFileSync(file, "utf8"))
        .join("\n");
      const own = readFileSync(join(ROOT, "packages", name, "src", "errors.ts"), "utf8");
      const unused = [...codes.keys()].filter(
        (code) => !sources.includes(`"${code}"`) && own.split(`"${code}"`).length < 2,
      );
      expect({ name, unused }).toEqual({ name, unused: [] });
    }
  });
});

describe("links in documents", () => {
  const documents = [
    ...["docs", "packages", "charts", "examples", "bench", "e2e"].flatMap((folder) =>
      filesBelow(join(ROOT, folder), [".md"]),
    ),
    join(ROOT, "README.md"),
    join(ROOT, "CONTRIBUTING.md"),
  ];

  it.each(documents.map((file) => file.slice(ROOT.length + 1)))("%s points at files that exist", async (path) => {
    const text = readFileSync(join(ROOT, path), "utf8");
    const targets = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map((match) => match[1] as string);
    expect(targets.filter((target) => !existsSync(join(ROOT, path, "..", target)))).toEqual([]);
  });
});
