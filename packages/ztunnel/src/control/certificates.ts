// SPDX-License-Identifier: Apache-2.0
import { CaClient, type CaClientOptions } from "@ambientmesh/ca/client";
import type { Change, Logger } from "@ambientmesh/core";
import type { IssueCertificate, SecretManager, SpiffeId } from "@ambientmesh/spiffe";
import type { ControlPlaneConfig, RootSource, ZtunnelConfig } from "../config/model.ts";
import { ztunnelErrors } from "../errors.ts";
import type { MeshState } from "../state/mesh-state.ts";
import type { Workload } from "../state/model.ts";
import { hostAndPort } from "./discovery.ts";

/** Whoever issues certificates. */
export interface Issuer extends Disposable {
  readonly issue: IssueCertificate;
}

/** The certificate service, asked on behalf of the pods of this node or, alone, in one's own name. */
export function createIssuer(logger: Logger, config: ZtunnelConfig): Issuer {
  return config.ca ? createCaClient(logger, config, config.ca) : NO_ISSUER;
}

const NO_ISSUER: Issuer = {
  issue: (_csr, id) =>
    Promise.reject(ztunnelErrors.create("ZTUNNEL_NO_CA", `nobody issues a certificate for ${id}: CA_ADDRESS is empty`)),
  [Symbol.dispose]: () => {
    // Holds nothing.
  },
};

function createCaClient(logger: Logger, config: ZtunnelConfig, ca: ControlPlaneConfig): CaClient {
  const { token, clusterId, secretTtlMs } = config;
  const options: CaClientOptions = {
    address: `https://${hostAndPort(ca)}`,
    rootCa: rootCaOf(ca.root),
    alternativeHostname: ca.altHostname,
    token: token && (token.kind === "file" ? { file: token.path } : { value: token.token }),
    clusterId,
    headers: ca.headers,
    ttlSeconds: Math.max(Math.round(secretTtlMs / 1000), 1),
    isImpersonating: config.mode.kind === "shared",
    isTls12Enabled: config.isTls12Enabled,
  };
  return new CaClient({ logger }, options);
}

function rootCaOf(root: RootSource): CaClientOptions["rootCa"] {
  switch (root.kind) {
    case "file":
      return { file: root.path };
    case "inline":
      return { pem: root.pem };
    case "system":
      return { system: true };
  }
}

/**
 * Asks for certificates before the first connection needs them, and drops them with the last workload that had them.
 * Only identities of workloads on this node: the CA refuses others.
 */
export class IdentityKeeper implements Disposable {
  readonly #secrets: Pick<SecretManager, "prefetch" | "forget">;
  readonly #logger: Logger;
  readonly #isLocal: (workload: Workload) => boolean;
  readonly #users = new Map<SpiffeId, Set<string>>();
  readonly #subscription: Disposable;

  constructor(
    deps: {
      readonly state: MeshState;
      readonly secrets: Pick<SecretManager, "prefetch" | "forget">;
      readonly logger: Logger;
    },
    options: {
      /** Never dropped: the proxy's own. */
      readonly pinned?: SpiffeId | undefined;
    } = {},
  ) {
    this.#secrets = deps.secrets;
    this.#logger = deps.logger;
    this.#isLocal = (workload) => deps.state.workloads.isLocal(workload);
    if (options.pinned) this.#users.set(options.pinned, new Set([""]));
    this.#subscription = deps.state.onWorkloads((changes) => changes.forEach((change) => this.#apply(change)));
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  #apply({ key, before, after }: Change<Workload>): void {
    const [old, now] = [this.#identityOf(before), this.#identityOf(after)];
    if (now !== undefined) this.#use(now, key);
    if (old !== undefined && old !== now) this.#leave(old, key);
  }

  #identityOf(workload: Workload | undefined): SpiffeId | undefined {
    if (!workload || !this.#isLocal(workload)) return undefined;
    return workload.nativeTunnel || workload.protocol === "HBONE" ? workload.identity : undefined;
  }

  #use(identity: SpiffeId, uid: string): void {
    const users = this.#users.get(identity) ?? new Set();
    this.#users.set(identity, users.add(uid));
    if (!this.#secrets.prefetch(identity)) this.#logger.warn("no room to fetch a certificate ahead", { identity });
  }

  #leave(identity: SpiffeId, uid: string): void {
    const users = this.#users.get(identity);
    if (!users?.delete(uid) || users.size > 0) return;
    this.#users.delete(identity);
    this.#secrets.forget(identity);
  }
}
