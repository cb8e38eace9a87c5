// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import { installBlank } from "../../tools/packages/blank-project.ts";
import { packAll, type PackedPackage } from "../../tools/packages/pack.ts";
import { run } from "../../tools/packages/programs.ts";
import { ROOT, readManifest } from "../../tools/packages/workspace.ts";

const OLD_NODE = `node-linux-${arch()}`;

function ownVersionOf(name: string): string {
  const manifest = readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

/** The first example of a README, without a fence: what users paste first. */
export function exampleOf(readme: string): string | undefined {
  return /^(`{3,})ts\n([^]*?)^\1$/m.exec(readme)?.[2];
}

/** An empty project in which every published package was installed from its tarball. */
export class Consumer implements Disposable {
  readonly packages: readonly PackedPackage[];
  readonly folder: string;
  readonly #temporary: string;

  private constructor(packages: readonly PackedPackage[], temporary: string) {
    this.packages = packages;
    this.#temporary = temporary;
    this.folder = join(temporary, "consumer");
  }

  /**
   * Packs and installs; takes most of a minute. Packages are linked, not hoisted, so that each finds only the
   * dependencies it declares, as if it were installed alone.
   */
  static async create(): Promise<Consumer> {
    // Paths are compared with those that Node.js resolves links to.
    const temporary = realpathSync(mkdtempSync(join(tmpdir(), "ambientmesh-packed-")));
    try {
      const consumer = new Consumer(await packAll(temporary), temporary);
      const protobuf = consumer.packages.find(({ shortName }) => shortName === "api")?.manifest.dependencies;
      await installBlank(consumer.folder, [
        "--install-strategy=linked",
        ...consumer.packages.map(({ tarball }) => tarball),
        // Beside them what examples import themselves, and an older Node.js.
        `@bufbuild/protobuf@${protobuf?.["@bufbuild/protobuf"]}`,
        ...["@types/node", "@grpc/grpc-js", "@grpc/grpc-js-xds", "undici"].map(
          (name) => `${name}@${ownVersionOf(name)}`,
        ),
        `${OLD_NODE}@22`,
      ]);
      return consumer;
    } catch (error) {
      rmSync(temporary, { recursive: true });
      throw error;
    }
  }

  /** The Node.js that runs this test, or the newest 22. */
  nodeOf(major: number): string {
    return major === 22 ? join(this.folder, "node_modules", OLD_NODE, "bin", "node") : process.execPath;
  }

  installed({ manifest }: PackedPackage): string {
    return join(this.folder, "node_modules", manifest.name);
  }

  /** Every specifier under which a package may be imported, but those that run a program. */
  entryPoints(each: PackedPackage): string[] {
    const { name, exports = {} } = readManifest(this.installed(each));
    return Object.entries(exports).flatMap(([subpath, target]) => {
      if (typeof target === "string" || !("types" in (target as object))) return [];
      if (!subpath.includes("*")) return [join(name, subpath)];
      const folder = (target as { default: string }).default.replace(/\*.*/, "");
      return readdirSync(join(this.installed(each), folder))
        .filter((file) => file.endsWith(".js") && file !== "index.js")
        .map((file) => join(name, subpath.replace("*", file.slice(0, -".js".length))));
    });
  }

  /** Compiles TypeScript sources as users do, their dependencies' declarations checked too; the output is in built/. */
  async compile(sources: ReadonlyMap<string, string>): Promise<void> {
    mkdirSync(join(this.folder, "src"), { recursive: true });
    for (const [name, text] of sources) writeFileSync(join(this.folder, "src", `${name}.ts`), text);
    const compilerOptions = {
      module: "nodenext",
      target: "es2022",
      lib: ["es2024", "esnext.disposable"],
      types: ["node"],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck: false,
      rootDir: "src",
      outDir: "built",
    };
    writeFileSync(join(this.folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["src"] }));
    await run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", "."], { cwd: this.folder });
  }

  [Symbol.dispose](): void {
    rmSync(this.#temporary, { recursive: true });
  }
}
