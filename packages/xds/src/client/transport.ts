// SPDX-License-Identifier: Apache-2.0
import type { XdsMethod } from "../protocol/methods.ts";

/**
 * The client's end of one bidirectional stream. Iterating gives the responses, one at a time: the next is not read
 * before the loop asks for it. It ends when the server ended the stream with OK, and throws a MeshError otherwise:
 * XDS_CONNECT_FAILED, or XDS_STREAM_ENDED with `details.status` and `details.message`.
 */
export interface XdsCall<Request, Response> extends AsyncIterable<Response> {
  /** Resolves when another request may be sent. Never rejects: a broken stream shows in the iteration. */
  send(request: Request): Promise<void>;
  /** Ends the stream and gives back everything it holds; may be called twice. */
  close(): void;
}

/** Opens streams to one discovery server. */
export interface XdsTransport {
  /**
   * A new stream on a new connection.
   * @throws MeshError XDS_LOCAL_FAILED when token, headers or roots can't be had
   */
  open<Request, Response>(
    method: XdsMethod<Request, Response>,
    signal: AbortSignal,
  ): Promise<XdsCall<Request, Response>>;
}
