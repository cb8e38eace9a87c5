// SPDX-License-Identifier: Apache-2.0
import type { Change, MeshError } from "@ambientmesh/core";
import { spiffeErrors } from "../errors.ts";
import type { SpiffeId } from "../id/spiffe-id.ts";
import type { Svid } from "./svid.ts";

/** How soon somebody needs a certificate; the first is served first. */
export const PRIORITIES = ["RealTime", "Warmup", "Background"] as const;
/** One of {@link PRIORITIES}. */
export type Priority = (typeof PRIORITIES)[number];

/** Where the certificate of one identity stands. */
export type SecretState =
  | { readonly kind: "Initializing"; readonly priority: Priority }
  | { readonly kind: "Available"; readonly svid: Svid }
  | { readonly kind: "Unavailable"; readonly error: MeshError };

/** Where proxies get their certificates from. */
export interface CertificateSource {
  /**
   * The current SVID of an identity; waits for it if it is not there yet.
   * Don't keep the answer: ask again for each connection, or subscribe.
   * @throws MeshError SECRET_UNAVAILABLE, SECRET_FORGOTTEN, SECRET_LIMIT, SECRET_CLOSED, ABORTED
   */
  get(id: SpiffeId, options?: { readonly signal?: AbortSignal }): Promise<Svid>;
  /** The current SVID if there is one now, without asking for it. */
  peek(id: SpiffeId): Svid | undefined;
  /** Tells of each SVID that came, was replaced or went. Dispose the result to stop. */
  subscribe(listener: (change: Change<Svid>) => void): Disposable;
  /** Every identity with its state, sorted by identity, for `config_dump`. */
  states(): readonly { readonly id: SpiffeId; readonly state: SecretState }[];
}

/** A source of SVIDs that never change: for programs with a certificate from a file, and for tests. */
export function staticSource(...svids: readonly Svid[]): CertificateSource {
  const byId = new Map(svids.map((svid) => [svid.id, svid]));
  return {
    get: async (id) => {
      const svid = byId.get(id);
      if (svid === undefined) throw spiffeErrors.create("SECRET_UNAVAILABLE", `there is no certificate of ${id} here`);
      return svid;
    },
    peek: (id) => byId.get(id),
    subscribe: () => ({ [Symbol.dispose]: () => {} }),
    states: () => svids.map((svid) => ({ id: svid.id, state: { kind: "Available", svid } })),
  };
}
