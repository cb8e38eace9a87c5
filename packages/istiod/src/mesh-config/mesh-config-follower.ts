// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { ConfigMap } from "@ambientmesh/api/kubernetes";
import { abortedError, type Clock, type GaugeSeries, type Logger, type Metrics, type Service } from "@ambientmesh/core";
import { RESOURCES, createInformer, type KubeClient } from "@ambientmesh/kube";
import { FileWatcher } from "@ambientmesh/spiffe";
import { parseMeshConfig } from "../config/mesh-config.ts";
import { readIfThere } from "../config/read-if-there.ts";
import type { LiveMeshConfig } from "./live-mesh-config.ts";

export interface MeshConfigFollowerDeps {
  readonly client: Pick<KubeClient, "listPage" | "watch">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Kept equal to what is followed. */
  readonly mesh: LiveMeshConfig;
  /** It is another one now. */
  readonly onChange: () => void;
}

export interface MeshConfigFollowerOptions {
  /** Followed if there is one (it has been read before); otherwise the ConfigMap is. */
  readonly file: string | undefined;
  /** Of istiod. */
  readonly namespace: string;
  readonly revision: string;
}

const KEY = "mesh";

/**
 * Follows the MeshConfig while istiod runs, as Istio does (1.31). What can't be used is reported, and the last one that could
 * stays in force. The trust domain is that of the start: certificates of another one would be worth nothing to anybody.
 */
export class MeshConfigFollower implements Service {
  readonly #deps: MeshConfigFollowerDeps;
  readonly #options: MeshConfigFollowerOptions;
  readonly #stack = new AsyncDisposableStack();
  readonly #isRefused: GaugeSeries;
  readonly #usable = Promise.withResolvers<void>();
  #isInForce = false;

  constructor(deps: MeshConfigFollowerDeps, options: MeshConfigFollowerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#isRefused = deps.metrics
      .gauge({ name: "istiod_mesh_config_refused", help: "1 while the newest MeshConfig can't be used." })
      .with({});
  }

  /** Resolves when a MeshConfig is in force; one that can't be used is waited for until it is corrected. */
  async start(signal?: AbortSignal): Promise<void> {
    const { file } = this.#options;
    if (file === undefined) await this.#followConfigMap(signal);
    else await this.#followFile(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #followFile(file: string): Promise<void> {
    this.#isInForce = true;
    const onChange = (): Promise<void> => Promise.resolve(this.#take(readIfThere(file), file));
    await this.#stack.use(new FileWatcher(this.#deps, { paths: [file], onChange })).start();
  }

  async #followConfigMap(signal: AbortSignal | undefined): Promise<void> {
    const { client, clock, logger, metrics } = this.#deps;
    const { namespace, revision } = this.#options;
    const name = revision === "" || revision === "default" ? "istio" : `istio-${revision}`;
    const where = `ConfigMap ${namespace}/${name}, key ${KEY}`;
    const selection = { resource: RESOURCES.ConfigMap, namespace, fieldSelector: `metadata.name=${name}` };
    const informer = createInformer<ConfigMap>(selection, { client, clock, logger, metrics });
    this.#stack.use(informer);
    this.#stack.use(
      informer.store.subscribe((changes) => {
        for (const { after } of changes) this.#take(after?.data?.[KEY], where);
      }),
    );
    await informer.start(signal);
    if (informer.store.size === 0) this.#settle();
    const stop = (): void =>
      this.#usable.reject(abortedError(signal ?? AbortSignal.abort(), "waiting for a MeshConfig"));
    signal?.addEventListener("abort", stop, { once: true });
    this.#stack.defer(() => signal?.removeEventListener("abort", stop));
    await this.#usable.promise;
  }

  #take(text: string | undefined, where: string): void {
    const { logger, mesh, onChange } = this.#deps;
    if (text === undefined && this.#isInForce) {
      logger.warn("MeshConfig is gone, the one before stays in force", { where });
      return;
    }
    const { meshConfig, warnings, problems } = parseMeshConfig(text ?? "", where, this.#options.namespace);
    this.#isRefused.set(problems.length > 0 ? 1 : 0);
    if (problems.length > 0) {
      const consequence = this.#isInForce ? "the one before stays in force" : "istiod waits for one that it can use";
      logger.error(`MeshConfig refused, ${consequence}`, { problems });
      return;
    }
    for (const warning of warnings) logger.warn("setting", { warning });
    const { trustDomain } = this.#isInForce ? mesh : meshConfig;
    if (trustDomain !== meshConfig.trustDomain) {
      logger.error("trustDomain of the MeshConfig counts at the start only: restart istiod to change it", {
        where,
        inForce: trustDomain,
        asked: meshConfig.trustDomain,
      });
    }
    const next = { ...meshConfig, trustDomain };
    const isChanged = !isDeepStrictEqual(next, mesh.current);
    mesh.replace(next);
    this.#settle();
    if (!isChanged) return;
    logger.info("MeshConfig in force", { where, ...next });
    onChange();
  }

  #settle(): void {
    this.#isInForce = true;
    this.#usable.resolve();
  }
}
