// SPDX-License-Identifier: Apache-2.0
import type { LogReader, SubscriptionInfo } from "../cache/source.ts";
import type { NonceStatus, NonceVerdict } from "./nonces.ts";

/** A response that is decided but not written yet. */
export interface PlannedResponse {
  readonly kind: "response";
  /** Bytes of its resources and names; what memory it will cost. */
  readonly size: number;
  readonly resources: number;
  readonly removed: number;
  /** Encodes it and takes note that it was sent; called once, right before it is written. */
  send(): Uint8Array;
}

/** What a subscription wants to do next. Yield: nothing yet, but there is more to look at after others had their turn. */
export type Step = PlannedResponse | { readonly kind: "idle" } | { readonly kind: "yield" };

export const IDLE: Step = { kind: "idle" };
export const YIELD: Step = { kind: "yield" };

/** What a request meant. */
export interface Received {
  /** Undefined when it carried no nonce. */
  readonly verdict: NonceVerdict | undefined;
  /** It changed what the client is subscribed to. */
  readonly hasChanged: boolean;
  /** How many names the client asks for or waits to hear of. */
  readonly names: number;
}

/** One type on one stream: the protocol as a state machine without I/O. */
export interface TypeSubscription<Request> extends LogReader, SubscriptionInfo {
  receive(request: Request, now: number): Received;
  /** The next response on the way to position `until` of the view. */
  next(until: number): Step;
  status(): TypeStatus;
}

/** What a debug page shows of one type of one client. */
export interface TypeStatus extends NonceStatus {
  readonly typeUrl: string;
  readonly isWildcard: boolean;
  /** How many names the client asks for; 0 for a wildcard. */
  readonly names: number;
  /** True if everything published so far was sent. */
  readonly isCurrent: boolean;
}
