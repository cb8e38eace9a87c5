// SPDX-License-Identifier: Apache-2.0
import { createRoot, isRenewalDue, renewRoot, type AuthorityMaterial } from "@ambientmesh/ca";
import type { Clock, Logger } from "@ambientmesh/core";
import { parseCertificates, type KeyType } from "@ambientmesh/spiffe";

/** Where the authority's material is kept, shared by all replicas. */
export interface AuthorityStore {
  /** What is there, with a mark of its state. */
  load(signal?: AbortSignal): Promise<StoredAuthority | undefined>;
  /** False if somebody else was faster: load again. */
  create(material: AuthorityMaterial, signal?: AbortSignal): Promise<boolean>;
  /** False if it has changed since it was loaded: load again. */
  replace(stored: StoredAuthority, material: AuthorityMaterial, signal?: AbortSignal): Promise<boolean>;
}

export interface StoredAuthority {
  readonly material: AuthorityMaterial;
  readonly resourceVersion: string;
}

export interface SelfSignedOptions {
  readonly trustDomain: string;
  readonly keyType: KeyType;
  readonly ttlMs: number;
  /** Share of the root's lifetime at its end in which it is renewed; 0 never renews. */
  readonly graceRatio: number;
}

export interface SelfSignedDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly store: AuthorityStore;
}

/** A root that istiod makes itself, once for all replicas, and renews with the same key when its end comes near. */
export class SelfSignedAuthority {
  readonly #deps: SelfSignedDeps;
  readonly #options: SelfSignedOptions;

  constructor(deps: SelfSignedDeps, options: SelfSignedOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** The root that all replicas use; made or renewed if it has to be. */
  async obtain(signal?: AbortSignal): Promise<AuthorityMaterial> {
    const { clock, logger, store } = this.#deps;
    for (;;) {
      signal?.throwIfAborted();
      const stored = await store.load(signal);
      if (stored && !this.#isRenewalDue(stored.material)) return stored.material;
      if (!stored) {
        const made = await this.#make();
        if (await store.create(made, signal)) {
          logger.info("root certificate made", { trustDomain: this.#options.trustDomain });
          return made;
        }
      } else {
        const renewed = await renewRoot(stored.material, { ttlSeconds: this.#options.ttlMs / 1000, clock });
        if (await store.replace(stored, renewed, signal)) {
          logger.info("root certificate renewed", { trustDomain: this.#options.trustDomain });
          return renewed;
        }
      }
    }
  }

  #make(): Promise<AuthorityMaterial> {
    const { trustDomain, keyType, ttlMs } = this.#options;
    return createRoot(trustDomain, { keyType, ttlSeconds: ttlMs / 1000, clock: this.#deps.clock });
  }

  #isRenewalDue({ certificatePem }: AuthorityMaterial): boolean {
    const { graceRatio } = this.#options;
    const [certificate] = parseCertificates(certificatePem, "the root certificate");
    return graceRatio > 0 && certificate !== undefined && isRenewalDue(certificate, this.#deps.clock.now(), graceRatio);
  }
}
