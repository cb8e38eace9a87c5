// SPDX-License-Identifier: Apache-2.0
import { mkdir, readFile, readdir, rename, unlink, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { join } from "node:path";
import { messageOf, type Logger } from "@ambientmesh/core";
import type { NetnsRef } from "@ambientmesh/linux";

/** What is known of the sandbox of a pod, also after a restart of the agent. */
export interface NetnsRecord {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Where the namespace was seen; good while {@link dev} and {@link ino} are the same. */
  readonly path: string;
  readonly dev: string;
  readonly ino: string;
  /** As the container runtime reported them, before the API server knows. */
  readonly addresses: readonly string[];
  /** The runtime's id of the sandbox; unknown for pods that were found otherwise. */
  readonly sandboxId?: string;
  /** Rules were put there and not taken away since. */
  readonly isRedirected: boolean;
}

/** What a record says beside who the pod is and where its namespace was seen. */
export type SandboxFacts = Pick<NetnsRecord, "addresses" | "isRedirected" | "sandboxId">;

/** Describes the sandbox of a pod. */
export function recordOf(
  { uid, namespace, name }: Pick<NetnsRecord, "uid" | "namespace" | "name">,
  { netns, path }: { readonly netns: NetnsRef; readonly path: string },
  facts: SandboxFacts,
): NetnsRecord {
  return { uid, namespace, name, path, dev: String(netns.dev), ino: String(netns.ino), ...facts };
}

const SUFFIX = ".json";
/** A uid is a file name here. */
const UID = /^[A-Za-z0-9][A-Za-z0-9-]{0,127}$/;
const MAX_BYTES = 16 * 1024;

/** One small file per pod in the run directory, which a reboot empties, as it does with what the files are about. */
export class NetnsRecords {
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #records = new Map<string, NetnsRecord>();
  /** Writes to one file follow each other. */
  readonly #writing = new Map<string, Promise<void>>();

  constructor(deps: { readonly logger: Logger }, options: { readonly directory: string }) {
    this.#logger = deps.logger;
    this.#directory = options.directory;
  }

  /** Reads what an agent of before wrote. Files that make no sense are removed: pods can be found without. */
  async load(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      const record = name.endsWith(SUFFIX) ? await readRecord(path) : undefined;
      if (record && `${record.uid}${SUFFIX}` === name) this.#records.set(record.uid, record);
      else await this.#discard(path);
    }
  }

  get(uid: string): NetnsRecord | undefined {
    return this.#records.get(uid);
  }

  values(): Iterable<NetnsRecord> {
    return this.#records.values();
  }

  /** Keeps a record; resolves when it will survive a crash of the agent. */
  async set(record: NetnsRecord): Promise<void> {
    if (!UID.test(record.uid)) return;
    this.#records.set(record.uid, record);
    await this.#inTurn(record.uid, async (path) => {
      const draft = `${path}.tmp`;
      await writeFile(draft, JSON.stringify(record), { mode: 0o600 });
      await rename(draft, path);
    });
  }

  /** Notes whether rules are in the namespace; nothing if the pod has no record. */
  async setRedirected(uid: string, isRedirected: boolean): Promise<void> {
    const record = this.#records.get(uid);
    if (record && record.isRedirected !== isRedirected) await this.set({ ...record, isRedirected });
  }

  async delete(uid: string): Promise<void> {
    if (!this.#records.delete(uid)) return;
    await this.#inTurn(uid, (path) => unlinkIfThere(path));
  }

  async #inTurn(uid: string, work: (path: string) => Promise<void>): Promise<void> {
    const before = this.#writing.get(uid) ?? Promise.resolve();
    const mine = before.then(() => work(join(this.#directory, `${uid}${SUFFIX}`)));
    const settled = mine.then(
      () => {},
      () => {
        // Whoever asked for the write is told; the next one does not depend on it.
      },
    );
    this.#writing.set(uid, settled);
    await mine.finally(() => {
      if (this.#writing.get(uid) === settled) this.#writing.delete(uid);
    });
  }

  async #discard(path: string): Promise<void> {
    this.#logger.warn("a record of a pod can't be read and was removed", { path });
    try {
      await unlinkIfThere(path);
    } catch (error) {
      this.#logger.warn("a file in the run directory can't be removed", { path, error: messageOf(error) });
    }
  }
}

async function readRecord(path: string): Promise<NetnsRecord | undefined> {
  try {
    const text = await readFile(path, "utf8");
    return text.length > MAX_BYTES ? undefined : parseRecord(JSON.parse(text));
  } catch {
    // Unreadable or no JSON: to be discarded, as the caller says in the log.
    return undefined;
  }
}

/** Undefined for anything that is no record. */
export function parseRecord(value: unknown): NetnsRecord | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { uid, namespace, name, path, dev, ino, addresses, sandboxId, isRedirected } = value as Record<string, unknown>;
  const texts = [uid, namespace, name, path, dev, ino];
  if (!texts.every((text) => typeof text === "string") || !UID.test(uid as string)) return undefined;
  if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === "string" && isIP(address) !== 0)) {
    return undefined;
  }
  if (sandboxId !== undefined && typeof sandboxId !== "string") return undefined;
  if (typeof isRedirected !== "boolean") return undefined;
  return value as NetnsRecord;
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
