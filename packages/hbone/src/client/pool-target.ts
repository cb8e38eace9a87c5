// SPDX-License-Identifier: Apache-2.0
import type { ConnectionInfo } from "../tunnel/tunnel-info.ts";

/** Which connection a tunnel may share: tunnels share one only if all of this is equal. */
export interface TunnelTarget {
  /** Identity this side presents. */
  readonly source: string;
  /** Identities of which the peer must prove one, in any order. */
  readonly expected: readonly string[];
  /** Where to dial, `ip:port`. */
  readonly address: string;
  /** Whatever else must not be shared, such as the pod that the tunnels are for. */
  readonly extra?: string;
}

/** A pooled connection, as the predicate of `HbonePool.retire` sees it. */
export interface PooledConnection<Target extends TunnelTarget = TunnelTarget> {
  readonly target: Target;
  readonly info: ConnectionInfo;
}

/** One string per distinct target. Line breaks can't be in any of the parts, so they part them safely. */
export function targetKey({ source, expected, address, extra = "" }: TunnelTarget): string {
  const identities = expected.length > 1 ? [...expected].sort() : expected;
  return `${source}\n${address}\n${extra}\n${identities.join("\n")}`;
}
