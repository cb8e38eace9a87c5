// SPDX-License-Identifier: Apache-2.0
import type { SpiffeId } from "@ambientmesh/spiffe";

/** Somebody whose token or certificate was checked. */
export interface Caller {
  readonly by: "token" | "certificate";
  readonly id: SpiffeId;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The pod that a token is bound to; certificates and other tokens have none. */
  readonly pod: { readonly name: string; readonly uid: string } | undefined;
}

/** Who calls, or why nobody knows. */
export type Authentication =
  | { readonly kind: "authenticated"; readonly caller: Caller }
  /** The caller showed no credentials, or wrong ones. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Whoever could tell can't be asked now. */
  | { readonly kind: "unavailable"; readonly error: Error };
