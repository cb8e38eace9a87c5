// SPDX-License-Identifier: Apache-2.0
// Packs every published package, installs the tarballs into an empty project and uses them there, under Node.js 22 and 24.
// Needs npm and its registry (or cache): npx vitest run --project e2e e2e/packages
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { publint } from "publint";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canUseNetns } from "@ambientmesh/testkit";
import { run } from "../../tools/packages/programs.ts";
import { ROOT, publishedPackages, type PublishedPackage } from "../../tools/packages/workspace.ts";
import type { PackedPackage } from "../../tools/packages/pack.ts";
import { Consumer, exampleOf } from "./consumer.ts";

const published = publishedPackages().map((each) => [each.shortName, each] as const);

/** What the example of a README prints, or exports; packages that aren't here have one that waits for a mesh, or none. */
const SHOWN: Readonly<Record<string, string>> = {
  api: "name string.min_len",
  authz: "denied: allow policies exist, but none allowed",
  ca: "-----BEGIN X509 CRL-----",
  cni: "intact",
  core: "soup is served",
  hbone: '"answer":["hello"]',
  istiod: "shop/web.shop.svc.cluster.local",
  kube: '"seen":["default/web Pending","default/web gone"]',
  linux: "via: 'conntrack'",
  spiffe: "hello spiffe://cluster.local/ns/default/sa/web",
  telemetry: "\tinfo\tdemo\tserving",
  xds: "hello is Hello, world",
};
const NEEDS_NETNS = new Set(["cni", "linux"]);

/** Where a package says it runs; programs may ask for more than libraries do. */
function nodesOf({ folder }: PublishedPackage): number[] {
  const { engines } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { engines: { node: string } };
  const oldest = Number(/^>=(\d+)/.exec(engines.node)?.[1]);
  return [22, 24].filter((major) => major >= oldest);
}

/** What built code and declarations import; texts that merely read like it don't count. */
function importedBy(text: string): string[] {
  const forms =
    /^\s*(?:(?:import|export|\})[^"'=\n]*\bfrom|import)\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm;
  return [...text.matchAll(forms)].map(([, line, call]) => line ?? call ?? "");
}

let consumer: Consumer;
const packed = (name: string): PackedPackage => {
  const found = consumer.packages.find(({ shortName }) => shortName === name);
  if (found === undefined) throw new Error(`${name} was not packed`);
  return found;
};
beforeAll(async () => {
  consumer = await Consumer.create();
});
afterAll(() => consumer[Symbol.dispose]());

describe.each(published)("the tarball of %s", (name) => {
  it("holds what was built, its sources, a README and the licence, and nothing else", () => {
    const { files } = packed(name);
    const texts = files.filter((file) => !/^(bin|dist|src)\//.test(file));
    expect(texts.toSorted()).toEqual(["LICENSE", "README.md", "package.json"]);
    const modules = files.filter((file) => /^src\/.*\.ts$/.test(file)).map((file) => file.slice(4, -3));
    const built = modules.flatMap((path) =>
      [".d.ts", ".d.ts.map", ".js", ".js.map"].map((end) => `dist/${path}${end}`),
    );
    expect(files.filter((file) => file.startsWith("dist/")).toSorted()).toEqual(built.toSorted());
  });

  it("has source maps whose sources are there", () => {
    const folder = consumer.installed(packed(name));
    const maps = packed(name).files.filter((file) => file.endsWith(".map"));
    const missing = maps.flatMap((map) => {
      const { sources } = JSON.parse(readFileSync(join(folder, map), "utf8")) as { sources: string[] };
      return sources.filter((source) => !existsSync(join(folder, map, "..", source)));
    });
    expect(missing).toEqual([]);
  });

  it("imports nothing that it does not declare", () => {
    const folder = consumer.installed(packed(name));
    const { manifest, files } = packed(name);
    const declared = new Set([manifest.name, ...Object.keys(manifest.dependencies ?? {})]);
    const imported = files
      .filter((file) => /^dist\/.*(\.js|\.d\.ts)$/.test(file))
      .flatMap((file) => importedBy(readFileSync(join(folder, file), "utf8")))
      .filter((specifier) => !/^(\.|node:|#)/.test(specifier))
      .map((specifier) => /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier);
    expect([...new Set(imported)].filter((specifier) => !declared.has(specifier))).toEqual([]);
  });

  it("is clean for publint and are-the-types-wrong", async () => {
    const { tarball } = packed(name);
    const bin = join(ROOT, "node_modules/.bin");
    const entries = consumer
      .entryPoints(packed(name))
      .map((entry) => `.${entry.slice(packed(name).manifest.name.length)}`);
    const types = ["--profile", "esm-only", "--format", "ascii", "--entrypoints", ...entries];
    const { buffer } = new Uint8Array(readFileSync(tarball));
    const { messages } = await publint({ pkgDir: "package", pack: { tarball: buffer }, strict: true });
    expect(messages).toEqual([]);
    const judged = await run(join(bin, "attw"), [tarball, ...types], { cwd: consumer.folder });
    expect(judged).toContain("node16 (from ESM)");
  });
});

describe("the types", () => {
  it("hold for the examples of all READMEs, for examples/libraries and for every entry point", async () => {
    const sources = new Map<string, string>();
    const examples = join(ROOT, "examples", "libraries");
    for (const file of readdirSync(examples).filter((name) => name.endsWith(".ts"))) {
      sources.set(`program-${file.slice(0, -".ts".length)}`, readFileSync(join(examples, file), "utf8"));
    }
    for (const each of consumer.packages) {
      const example = exampleOf(readFileSync(join(each.folder, "README.md"), "utf8"));
      if (example !== undefined) sources.set(each.shortName, `${example}\nexport {};\n`);
      const imports = consumer.entryPoints(each).map((entry) => `await import(${JSON.stringify(entry)});\n`);
      sources.set(`${each.shortName}-entries`, `${imports.join("")}export {};\n`);
    }
    await expect(consumer.compile(sources)).resolves.toBeUndefined();
  });

  it("are checked at all", async () => {
    const wrong = `import { Backoff } from "@ambientmesh/core";\nexport const backoff: Backoff = new Backoff({});\n`;
    await expect(consumer.compile(new Map([["wrong", wrong]]))).rejects.toThrow("initialMs");
  });
});

const everyNode = published.flatMap(([name, each]) => nodesOf(each).map((major) => [name, major] as const));
const runCode = (major: number, code: string): Promise<string> =>
  run(consumer.nodeOf(major), ["--input-type=module", "--eval", code], { cwd: consumer.folder });

describe("the old Node.js", () => {
  it("is 22", async () => {
    expect(await runCode(22, "console.log(process.versions.node)")).toMatch(/^22\./);
  });
});

describe.each(everyNode)("%s on Node.js %d", (name, major) => {
  it("loads every entry point from what was built", async () => {
    const entries = consumer.entryPoints(packed(name));
    const code = `for (const entry of ${JSON.stringify(entries)}) {
      const exported = await import(entry);
      console.log(import.meta.resolve(entry).includes("/dist/"), Object.keys(exported).length >= 0);
    }`;
    expect(await runCode(major, code)).toBe("true true\n".repeat(entries.length));
  });

  it.runIf(name in SHOWN && (!NEEDS_NETNS.has(name) || canUseNetns(process.env)))(
    "does what the example of its README says",
    async () => {
      const code = `console.log(JSON.stringify(await import("./built/${name}.js")));`;
      expect(await runCode(major, code)).toContain(SHOWN[name]);
    },
  );

  it.runIf(Object.keys(publishedPackages().find(({ shortName }) => shortName === name)?.manifest.bin ?? {}).length > 0)(
    "has programs that start",
    async () => {
      const { manifest } = packed(name);
      for (const [program, path] of Object.entries(manifest.bin ?? {})) {
        const script = join(consumer.installed(packed(name)), path);
        const env = { CNI_COMMAND: "VERSION" };
        const argv = program === "ambientctl" ? ["--version"] : ["version"];
        const code = `const { stdout, stderr, status } = spawnSync(process.execPath, ${JSON.stringify([script, ...argv])},
          { input: '{"cniVersion":"1.1.0"}', encoding: "utf8", env: { ...process.env, ...${JSON.stringify(env)} } });
          console.log(JSON.stringify({ stdout, stderr, status }));`;
        const output = await runCode(major, `import { spawnSync } from "node:child_process";\n${code}`);
        expect(JSON.parse(output)).toMatchObject({
          status: 0,
          stderr: "",
          stdout: expect.stringMatching(/\d+\.\d+\.\d+/),
        });
      }
    },
  );
});
