// SPDX-License-Identifier: Apache-2.0
import type { Headers } from "../h2/message.ts";
import type { TunnelStream } from "../tunnel/tunnel-stream.ts";

/** What to ask a peer for. */
export interface ConnectRequestOptions {
  /** `host:port` of the destination as the peer is to see it. */
  readonly authority: string;
  readonly headers?: Headers;
  /** Withdraws the request; without effect once it was answered. */
  readonly signal?: AbortSignal | undefined;
}

/** The peer's answer. Failures to get one are thrown. */
export type ConnectOutcome =
  | { readonly kind: "open"; readonly tunnel: TunnelStream; readonly status: number; readonly headers: Headers }
  | { readonly kind: "refused"; readonly status: number; readonly headers: Headers };
