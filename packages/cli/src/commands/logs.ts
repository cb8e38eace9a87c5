// SPDX-License-Identifier: Apache-2.0
import { createReadStream, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@ambientmesh/core";
import type { CliConfig } from "../config.ts";
import { cliErrors } from "../errors.ts";
import { findMesh } from "../local/find-mesh.ts";

/** A log file with the container it belongs to. */
export interface LogFile {
  readonly path: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

const FILE = /^(?<namespace>[^_]+)_(?<pod>[^_]+)_(?<container>[^_]+)\.log$/;
const FOLLOW_MS = 200;

/** The log files of a mesh, by namespace, pod and container. */
export function logFiles(directory: string): readonly LogFile[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .toSorted()
    .flatMap((name) => {
      const { namespace, pod, container } = FILE.exec(name)?.groups ?? {};
      if (namespace === undefined || pod === undefined || container === undefined) return [];
      return [{ path: join(directory, name), namespace, pod, container }];
    });
}

/**
 * The log that a word names: NAMESPACE/POD, POD, or the beginning of a pod's name up to a dash ("istiod").
 * @throws MeshError CLI_TARGET_NOT_FOUND naming those that are there
 */
export function findLog(word: string, files: readonly LogFile[]): LogFile {
  const [namespace, name] = word.includes("/") ? (word.split("/", 2) as [string, string]) : [undefined, word];
  const candidates = files.filter((file) => namespace === undefined || file.namespace === namespace);
  const found = candidates.find(({ pod }) => pod === name) ?? candidates.find(({ pod }) => pod.startsWith(`${name}-`));
  if (found !== undefined) return found;
  const known = files.map((file) => `${file.namespace}/${file.pod}`).join(", ");
  throw cliErrors.create(
    "CLI_TARGET_NOT_FOUND",
    `there is no log of "${word}"; there are logs of ${known || "nothing"}`,
  );
}

export interface LogsOptions {
  readonly name: string;
  readonly target: string;
  readonly follow: boolean;
}

/** Writes a log to standard output, with `follow` also what comes to it until the signal aborts. */
export async function logs(
  { name, target, follow }: LogsOptions,
  { config, clock, signal }: { readonly config: CliConfig; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const found = findMesh(config, name);
  if (found === undefined) {
    throw cliErrors.create(
      "CLI_MESH_NOT_RUNNING",
      `the local mesh "${name}" is not there; start it with "ambientctl local up"`,
    );
  }
  const { path } = findLog(target, logFiles(found.place.logs));
  let position = await copyFrom(path, 0);
  if (!follow) return;
  while (!signal.aborted) {
    await clock.sleep(FOLLOW_MS, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return;
    // Emptied because it had grown too large.
    if (size < position) position = 0;
    if (size > position) position = await copyFrom(path, position);
  }
}

async function copyFrom(path: string, start: number): Promise<number> {
  let position = start;
  for await (const chunk of createReadStream(path, { start }) as AsyncIterable<Buffer>) {
    position += chunk.length;
    await new Promise<void>((resolve) => process.stdout.write(chunk, () => resolve()));
  }
  return position;
}
