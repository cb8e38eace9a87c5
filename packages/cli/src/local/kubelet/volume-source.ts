// SPDX-License-Identifier: Apache-2.0
import { objectKey, type KubeClient, type Store } from "@ambientmesh/kube";
import type { Clock } from "@ambientmesh/core";
import type { ConfigMap, ConfigMapFiles, Pod, Volume, VolumeProjection } from "@ambientmesh/api/kubernetes";
import { cliErrors } from "../../errors.ts";
import type { VolumeFiles } from "./atomic-files.ts";
import { fieldValue, type PodFacts } from "./field-paths.ts";

export interface VolumeSourceDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly configMaps: Store<ConfigMap>;
}

type TokenSpec = NonNullable<VolumeProjection["serviceAccountToken"]>;

const DEFAULT_TOKEN_SECONDS = 3600;
/** As the kubelet: a token is replaced when so much of its life has passed. */
const REFRESH_AT = 0.8;

/** Finds out what the files of a pod's volumes are to hold now. Tokens are kept until they are due for another one. */
export class VolumeSource {
  readonly #deps: VolumeSourceDeps;
  readonly #facts: PodFacts;
  readonly #tokens = new Map<TokenSpec, { readonly token: string; readonly refreshAtMs: number }>();

  constructor(facts: PodFacts, deps: VolumeSourceDeps) {
    this.#facts = facts;
    this.#deps = deps;
  }

  /** When the next token is due, in ms since 1970; undefined if the pod has none. */
  get refreshAtMs(): number | undefined {
    const times = [...this.#tokens.values()].map(({ refreshAtMs }) => refreshAtMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** True if the volumes of the pod hold something of the ConfigMap. */
  uses(configMapKey: string): boolean {
    const names = (this.#facts.pod.spec.volumes ?? []).flatMap(({ configMap, projected }) =>
      [configMap, ...(projected?.sources ?? []).map((source) => source.configMap)].flatMap(
        (files) => files?.name ?? [],
      ),
    );
    const { namespace } = this.#facts.pod.metadata;
    return names.some((name) => objectKey({ name, namespace }) === configMapKey);
  }

  /**
   * The files of a volume, undefined for kinds of volume that are folders.
   * @throws MeshError CLI_POD_FAILED when a ConfigMap or key is not there, KUBE_* when no token is given
   */
  async filesOf({ configMap, projected }: Volume, signal: AbortSignal): Promise<VolumeFiles | undefined> {
    if (configMap !== undefined) return new Map(this.#configMapFiles(configMap));
    if (projected === undefined) return undefined;
    const files = new Map<string, string>();
    for (const source of projected.sources ?? []) {
      for (const [path, text] of await this.#projectedFiles(source, signal)) files.set(path, text);
    }
    return files;
  }

  async #projectedFiles(
    source: VolumeProjection,
    signal: AbortSignal,
  ): Promise<readonly (readonly [string, string])[]> {
    const { serviceAccountToken, configMap, downwardAPI } = source;
    if (serviceAccountToken !== undefined) {
      return [[serviceAccountToken.path, await this.#token(serviceAccountToken, signal)]];
    }
    if (configMap !== undefined) return this.#configMapFiles(configMap);
    return (downwardAPI?.items ?? []).map(({ path, fieldRef }) => [
      path,
      fieldValue(fieldRef?.fieldPath ?? "", this.#facts),
    ]);
  }

  #configMapFiles({ name = "", items, optional = false }: ConfigMapFiles): readonly (readonly [string, string])[] {
    const { namespace } = this.#facts.pod.metadata;
    const key = objectKey({ name, namespace });
    const { data } = this.#deps.configMaps.get(key) ?? {};
    if (data === undefined && optional) return [];
    if (data === undefined)
      throw cliErrors.create("CLI_POD_FAILED", `waits for ConfigMap ${key}, which is not there yet`);
    if (items === undefined) return Object.entries(data);
    return items.flatMap((item): readonly (readonly [string, string])[] => {
      const text = data[item.key];
      if (text !== undefined) return [[item.path, text]];
      if (optional) return [];
      throw cliErrors.create("CLI_POD_FAILED", `waits for key ${item.key} of ConfigMap ${key}, which is not there yet`);
    });
  }

  async #token(spec: TokenSpec, signal: AbortSignal): Promise<string> {
    const { client, clock } = this.#deps;
    const known = this.#tokens.get(spec);
    if (known !== undefined && clock.now() < known.refreshAtMs) return known.token;
    const { pod } = this.#facts;
    const expirationSeconds = spec.expirationSeconds ?? DEFAULT_TOKEN_SECONDS;
    const { token, expirationTimestamp } = await client.requestToken(
      { name: pod.spec.serviceAccountName ?? "default", namespace: pod.metadata.namespace },
      {
        ...(spec.audience !== undefined && { audiences: [spec.audience] }),
        expirationSeconds,
        boundObjectRef: boundTo(pod),
      },
      { signal },
    );
    const lifetimeMs = Date.parse(expirationTimestamp) - clock.now();
    this.#tokens.set(spec, { token, refreshAtMs: clock.now() + lifetimeMs * REFRESH_AT });
    return token;
  }
}

/** A token that is good only as long as the pod is there. */
function boundTo({ metadata: { name, uid = "" } }: Pod): {
  readonly kind: string;
  readonly apiVersion: string;
  readonly name: string;
  readonly uid: string;
} {
  return { kind: "Pod", apiVersion: "v1", name, uid };
}
