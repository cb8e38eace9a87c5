// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { cp, mkdir, open, readFile, readdir, realpath, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { runTool } from "@ambientmesh/linux";
import { cniErrors } from "../errors.ts";

/** A file of the plugin's runtime. */
export interface RuntimeFile {
  readonly source: string;
  /** Below the runtime's folder. */
  readonly target: string;
}

/** Everything the plugin needs to run on a node that has nothing but a kernel. */
export interface PluginRuntime {
  readonly files: readonly RuntimeFile[];
  /** Differs with their contents. */
  readonly version: string;
}

export const NODE_TARGET = "node";
export const LOADER_TARGET = "lib/loader.so";
export const LIBRARIES_TARGET = "lib";
const MODULES = "node_modules";
const ENTRY = "@ambientmesh/cni/plugin";
const SCOPE = "@ambientmesh/";
export const ENTRY_TARGET: string = join(MODULES, "@ambientmesh/cni/dist/plugin/main.js");

const require = createRequire(import.meta.url);

/**
 * Collects the plugin's runtime: this very Node.js with its dynamic loader and libraries, and the plugin's modules.
 * @throws MeshError CNI_PLUGIN_NOT_BUILT, LINUX_*
 */
export async function collectRuntime(executable: string = process.execPath): Promise<PluginRuntime> {
  const files = [...(await nodeFiles(await realpath(executable))), ...(await moduleFiles())];
  const hash = createHash("sha256");
  for (const { source, target } of files) {
    hash.update(`${target}\0`);
    for await (const chunk of createReadStream(source) as AsyncIterable<Buffer>) hash.update(chunk);
  }
  return { files, version: hash.digest("hex").slice(0, 16) };
}

async function nodeFiles(executable: string): Promise<readonly RuntimeFile[]> {
  const interpreter = await interpreterOf(executable);
  if (interpreter === undefined) return [{ source: executable, target: NODE_TARGET }];
  const listed = await runTool([interpreter, "--list", executable]);
  const libraries = [...listed.matchAll(/^\s*(\S+) => (\/\S+) \(/gm)].map(([, name = "", path = ""]) => ({
    source: path,
    target: join(LIBRARIES_TARGET, basename(name)),
  }));
  return [{ source: executable, target: NODE_TARGET }, { source: interpreter, target: LOADER_TARGET }, ...libraries];
}

/** The dynamic loader an executable names (segment PT_INTERP of elf(5)); undefined for static ones. */
async function interpreterOf(executable: string): Promise<string | undefined> {
  await using file = await open(executable);
  const read = async (length: number, at: number): Promise<Buffer> => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
    return buffer.subarray(0, bytesRead);
  };
  const header = await read(64, 0);
  const [at, size, count] = [Number(header.readBigUInt64LE(32)), header.readUInt16LE(54), header.readUInt16LE(56)];
  const segments = await read(size * count, at);
  for (let index = 0; index < count; index++) {
    const segment = segments.subarray(index * size, (index + 1) * size);
    if (segment.readUInt32LE(0) !== 3) continue;
    const text = await read(Number(segment.readBigUInt64LE(32)), Number(segment.readBigUInt64LE(8)));
    return text.toString("utf8").replace(/\0.*$/s, "");
  }
  return undefined;
}

/** The plugin's module and all that it imports: built files of our packages, and packages of others as a whole. */
async function moduleFiles(): Promise<readonly RuntimeFile[]> {
  const found = new Map<string, string>();
  const waiting = [builtFile(ENTRY)];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    const home = await packageOf(path);
    found.set(path, join(MODULES, home.name, relative(home.directory, path)));
    const manifest = join(home.directory, "package.json");
    found.set(manifest, join(MODULES, home.name, "package.json"));
    if (!home.name.startsWith(SCOPE)) {
      for (const file of await codeOf(home.directory)) {
        found.set(file, join(MODULES, home.name, relative(home.directory, file)));
      }
      continue;
    }
    for (const specifier of specifiersIn(await readBuilt(path))) {
      if (specifier.startsWith("node:")) continue;
      waiting.push(specifier.startsWith(".") ? join(dirname(path), specifier) : builtFile(specifier));
    }
  }
  return [...found].map(([source, target]) => ({ source, target }));
}

/** What built modules import; they are written by the compiler, one import or export to a line. */
export function specifiersIn(text: string): readonly string[] {
  const patterns = [
    /^(?:import|export)\b[^"]*?\bfrom "([^"]+)";$/gm,
    /^import "([^"]+)";$/gm,
    /\bimport\("([^"]+)"\)/g,
  ];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, specifier = ""]) => specifier));
}

/** Where a package is imported from, or would be once it is built. */
function builtFile(specifier: string): string {
  if (!specifier.startsWith(SCOPE)) return require.resolve(specifier);
  const path = fileURLToPath(import.meta.resolve(specifier));
  const parts = path.split(sep);
  const at = parts.lastIndexOf("src");
  return at < 0 ? path : parts.with(at, "dist").join(sep).replace(/\.ts$/, ".js");
}

async function packageOf(path: string): Promise<{ readonly name: string; readonly directory: string }> {
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    const text = await readFile(join(directory, "package.json"), "utf8").catch(() => undefined);
    const { name } = (text === undefined ? {} : JSON.parse(text)) as { readonly name?: string };
    if (name !== undefined) return { name, directory };
    if (directory === dirname(directory)) throw notBuilt(path);
  }
}

async function codeOf(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(c?js|mjs|json)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

async function readBuilt(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw notBuilt(path, error);
  }
}

function notBuilt(path: string, cause?: unknown): Error {
  return cniErrors.create("CNI_PLUGIN_NOT_BUILT", `the plugin can't be installed: ${path} is missing; run the build`, {
    cause,
    details: { path },
  });
}

/** Puts a runtime into a folder that appears when it is complete. */
export async function writeRuntime({ files }: PluginRuntime, directory: string): Promise<void> {
  const draft = `${directory}.draft`;
  await rm(draft, { recursive: true, force: true });
  for (const { source, target } of files) {
    await mkdir(dirname(join(draft, target)), { recursive: true, mode: 0o755 });
    await cp(source, join(draft, target), { dereference: true });
  }
  await rm(directory, { recursive: true, force: true });
  await rename(draft, directory);
}

/** True if all files are there, by their sizes: reading them all each time would be too much. */
export async function isRuntimeThere({ files }: PluginRuntime, directory: string): Promise<boolean> {
  for (const { source, target } of files) {
    const [wanted, present] = await Promise.all([stat(source), stat(join(directory, target)).catch(() => undefined)]);
    if (present?.size !== wanted.size) return false;
  }
  return true;
}
