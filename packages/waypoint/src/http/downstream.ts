// SPDX-License-Identifier: Apache-2.0
import type { Duplex, Readable, Writable } from "node:stream";
import type { RequestHead, ResponseHead } from "./head.ts";
import type { HeaderList } from "./header-list.ts";

/** A request of a client and the way to answer it, whatever the version of HTTP. */
export interface Downstream {
  readonly head: RequestHead;
  /** The request's body; errors when the client breaks off. */
  readonly body: Readable;
  readonly hasBody: boolean;
  /** True once all of the request is here. */
  readonly isComplete: boolean;
  /** There once the body has ended. */
  readonly trailers: () => HeaderList | undefined;
  readonly sendInformational: (status: number, headers: HeaderList) => void;
  /** Sends the head; the body goes into the result, if there is one. */
  readonly sendHead: (head: ResponseHead, hasBody: boolean) => Writable;
  /** Ends the response. */
  readonly finish: (trailers: HeaderList | undefined) => void;
  /** Agrees to an upgrade; the rest of the connection is the result. */
  readonly takeOver: (head: ResponseHead) => Duplex;
  /** Breaks off a response that was begun. */
  readonly reset: () => void;
  /** The listener hears once of the end of the exchange: `true` if the response went out in full. */
  readonly onClose: (listener: (isComplete: boolean) => void) => void;
}
