// SPDX-License-Identifier: Apache-2.0
import { channel } from "node:diagnostics_channel";
import type { MeshError } from "@ambientmesh/core";
import type { SpiffeId } from "./id/spiffe-id.ts";
import type { Svid } from "./svid/svid.ts";

/** Messages on the `node:diagnostics_channel` channels of this package, by channel name. */
export interface SpiffeDiagnostics {
  /** A certificate arrived, the first of an identity or one that renews another. */
  "ambientmesh:spiffe:certificate:issue": { readonly svid: Svid; readonly isRenewal: boolean };
  /** A certificate could not be had; `isKept` says that an older one is good still. */
  "ambientmesh:spiffe:certificate:fail": {
    readonly id: SpiffeId;
    readonly error: MeshError;
    readonly isKept: boolean;
    /** Milliseconds since 1970. */
    readonly retryAtMs: number;
  };
}

/** Tells subscribers of a channel; free when there are none. */
export function publish<Name extends keyof SpiffeDiagnostics>(name: Name, message: SpiffeDiagnostics[Name]): void {
  const target = channel(name);
  if (target.hasSubscribers) target.publish(message);
}
