// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { TaskGroup, type Logger } from "@ambientmesh/core";
import type { Volume } from "@ambientmesh/api/kubernetes";
import { cliErrors } from "../../errors.ts";
import { writeVolumeFiles, type VolumeFiles } from "./atomic-files.ts";
import type { PodFacts } from "./field-paths.ts";
import { VolumeSource, type VolumeSourceDeps } from "./volume-source.ts";

const RETRY_MS = 1000;

/**
 * The volumes of a pod below its own folder: `volumes/NAME`, and a link to it at each mount path, so that a program whose
 * working directory is the pod's folder finds `./var/run/secrets/...`. Kept up to date until disposed.
 */
export class PodVolumes implements AsyncDisposable {
  readonly #facts: PodFacts;
  readonly #directory: string;
  readonly #deps: VolumeSourceDeps & { readonly logger: Logger };
  readonly #source: VolumeSource;
  readonly #written = new Map<string, VolumeFiles>();
  readonly #tasks: TaskGroup;
  readonly #stack = new DisposableStack();
  #isChanged = Promise.withResolvers<void>();

  constructor(facts: PodFacts, directory: string, deps: VolumeSourceDeps & { readonly logger: Logger }) {
    this.#facts = facts;
    this.#directory = directory;
    this.#deps = deps;
    this.#source = new VolumeSource(facts, deps);
    this.#tasks = new TaskGroup({
      onCrash: (task, error) => deps.logger.error("volumes are no longer kept up to date", { task, error }),
    });
  }

  /** @throws MeshError CLI_POD_FAILED when something that they are made of is not there yet */
  async start(signal: AbortSignal): Promise<void> {
    for (const volume of this.#volumes) this.#makeFolder(volume);
    await this.#update(signal);
    this.#linkMounts();
    if (this.#volumes.every(({ configMap, projected }) => configMap === undefined && projected === undefined)) return;
    this.#stack.use(
      this.#deps.configMaps.subscribe((changes) => {
        if (changes.some(({ key }) => this.#source.uses(key))) this.#isChanged.resolve();
      }),
    );
    this.#tasks.run("volumes", (stopping) => this.#follow(stopping));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stack.dispose();
    await this.#tasks[Symbol.asyncDispose]();
  }

  get #volumes(): readonly Volume[] {
    return this.#facts.pod.spec.volumes ?? [];
  }

  #pathOf(volume: string): string {
    return join(this.#directory, "volumes", volume);
  }

  #makeFolder({ name, hostPath }: Volume): void {
    const path = this.#pathOf(name);
    if (hostPath === undefined) {
      mkdirSync(path, { recursive: true });
      return;
    }
    if (hostPath.type === "DirectoryOrCreate") mkdirSync(hostPath.path, { recursive: true });
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
    symlinkSync(hostPath.path, path);
  }

  #linkMounts(): void {
    const mounts = this.#facts.pod.spec.containers.flatMap(({ volumeMounts = [] }) => volumeMounts);
    const taken = new Map<string, string>();
    for (const { name, mountPath } of mounts) {
      const path = join(this.#directory, mountPath);
      const other = taken.get(path);
      if (other === name) continue;
      if (other !== undefined) {
        const text = `the volumes ${other} and ${name} are mounted at the same path ${mountPath}, which local mode can't do`;
        throw cliErrors.create("CLI_POD_FAILED", text);
      }
      taken.set(path, name);
      mkdirSync(dirname(path), { recursive: true });
      rmSync(path, { force: true });
      symlinkSync(this.#pathOf(name), path);
    }
  }

  async #update(signal: AbortSignal): Promise<void> {
    for (const volume of this.#volumes) {
      const files = await this.#source.filesOf(volume, signal);
      if (files === undefined || isDeepStrictEqual(files, this.#written.get(volume.name))) continue;
      writeVolumeFiles(this.#pathOf(volume.name), files);
      this.#written.set(volume.name, files);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    let retryAtMs = Infinity;
    while (!signal.aborted) {
      const dueAtMs = Math.min(this.#source.refreshAtMs ?? Infinity, retryAtMs);
      const waiting = new AbortController();
      const delay = Number.isFinite(dueAtMs)
        ? clock.sleep(dueAtMs - clock.now(), AbortSignal.any([signal, waiting.signal]))
        : untilAborted(signal);
      await Promise.race([this.#isChanged.promise, delay.catch(() => {})]);
      waiting.abort();
      if (signal.aborted) return;
      this.#isChanged = Promise.withResolvers();
      try {
        await this.#update(signal);
        retryAtMs = Infinity;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn("a volume can't be brought up to date", { pod: this.#facts.pod.metadata.name, error });
        retryAtMs = clock.now() + RETRY_MS;
      }
    }
  }
}

async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
