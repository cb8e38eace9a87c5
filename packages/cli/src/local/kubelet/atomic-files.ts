// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { dirname, join, normalize } from "node:path";
import { cliErrors } from "../../errors.ts";

/** Text by path below a volume's folder. */
export type VolumeFiles = ReadonlyMap<string, string>;

const DATA = "..data";

/**
 * Replaces all files of a volume at once, as the kubelet does: the files are in a hidden folder, `..data` is a link to it,
 * and what programs open are links through `..data`. Swapping that one link changes all of them together.
 * @throws MeshError CLI_POD_FAILED for a path that leads out of the volume
 */
export function writeVolumeFiles(directory: string, files: VolumeFiles): void {
  for (const path of files.keys()) requireInside(path);
  const folder = `..${randomBytes(6).toString("hex")}`;
  mkdirSync(join(directory, folder), { recursive: true, mode: 0o755 });
  for (const [path, text] of files) {
    const target = join(directory, folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text, { mode: 0o644 });
  }
  const old = currentFolder(directory);
  symlinkSync(folder, join(directory, `${DATA}_new`));
  renameSync(join(directory, `${DATA}_new`), join(directory, DATA));
  updateLinks(directory, new Set([...files.keys()].map((path) => normalize(path).split("/")[0] as string)));
  if (old !== undefined) rmSync(join(directory, old), { recursive: true, force: true });
}

function requireInside(path: string): void {
  const parts = path.split("/");
  const isInside = path !== "" && parts.every((part) => part !== "" && !part.startsWith(".."));
  if (!isInside) throw cliErrors.create("CLI_POD_FAILED", `"${path}" is no path below a volume`);
}

function currentFolder(directory: string): string | undefined {
  try {
    return readlinkSync(join(directory, DATA));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Links for names that are new; those that are gone lose theirs. */
function updateLinks(directory: string, names: ReadonlySet<string>): void {
  const present = new Set(readdirSync(directory).filter((name) => !name.startsWith("..")));
  for (const name of names) if (!present.has(name)) symlinkSync(join(DATA, name), join(directory, name));
  for (const name of present) if (!names.has(name)) rmSync(join(directory, name));
}
