// SPDX-License-Identifier: Apache-2.0
import type { Dirent } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "@ambientmesh/core";
import { kubeErrors } from "../../errors.ts";
import type { FeedProblem } from "./feed-problem.ts";

/** Bounds of a folder. */
export interface ScanLimits {
  readonly maxFileBytes: number;
  readonly maxFiles: number;
}

/** What a folder holds now. */
export interface FolderScan {
  /** Text by path relative to the folder, in alphabetical order. */
  readonly files: ReadonlyMap<string, string>;
  /** Directories, the folder itself (as ".") among them. */
  readonly directories: readonly string[];
  /** Files that could not be read; what they said before stays in force. */
  readonly problems: readonly FeedProblem[];
}

// Swap files, backups and half-written files of editors and tools.
const TEMPORARY = /^[.#]|~$|\.(?:swp|swx|tmp|bak|orig|part)$/;
const MANIFEST = /\.ya?ml$/i;

/**
 * Reads every *.yaml and *.yml below a directory. Hidden files and editors' temporary files are left out, and so are
 * symbolic links to directories, which might lead in circles.
 * @throws MeshError KUBE_FEED_INVALID when the directory itself can't be read.
 */
export async function scanFolder(directory: string, limits: ScanLimits): Promise<FolderScan> {
  const files = new Map<string, string>();
  const directories: string[] = [];
  const problems: FeedProblem[] = [];
  const pending = ["."];
  for (let folder = pending.pop(); folder !== undefined; folder = pending.pop()) {
    directories.push(folder);
    const entries = (await listDirectory(directory, folder, problems)).filter(({ name }) => !TEMPORARY.test(name));
    const pathOf = ({ name }: Entry): string => (folder === "." ? name : join(folder ?? ".", name));
    pending.push(...entries.filter((entry) => entry.isDirectory()).map(pathOf));
    for (const file of entries.filter((entry) => !entry.isDirectory() && MANIFEST.test(entry.name)).map(pathOf)) {
      const isWithin = files.size < limits.maxFiles;
      const read = isWithin ? await readBounded(join(directory, file), limits.maxFileBytes) : tooMany(limits);
      if (typeof read === "string") files.set(file, read);
      else problems.push({ file, message: read.problem });
    }
  }
  return { files: new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1))), directories, problems };
}

interface Unreadable {
  readonly problem: string;
}

function tooMany({ maxFiles }: ScanLimits): Unreadable {
  return { problem: `left out: the folder has more than ${maxFiles} files` };
}

type Entry = Pick<Dirent, "name" | "isDirectory">;

async function listDirectory(root: string, folder: string, problems: FeedProblem[]): Promise<readonly Entry[]> {
  try {
    return await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if (folder === ".") {
      throw kubeErrors.create("KUBE_FEED_INVALID", `the folder ${root} can't be read: ${messageOf(error)}`, {
        cause: error,
      });
    }
    problems.push({ file: folder, message: `the folder can't be read: ${messageOf(error)}` });
    return [];
  }
}

async function readBounded(path: string, maxBytes: number): Promise<string | Unreadable> {
  try {
    await using file = await open(path, "r");
    const status = await file.stat();
    if (!status.isFile()) return { problem: "is no regular file" };
    if (status.size > maxBytes) return { problem: `is larger than ${maxBytes} bytes` };
    // One byte more than there is shows a file that somebody is writing.
    const buffer = Buffer.alloc(status.size + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    if (bytesRead !== status.size) return { problem: "is being written" };
    return buffer.toString("utf8", 0, bytesRead);
  } catch (error) {
    return { problem: `can't be read: ${messageOf(error)}` };
  }
}
