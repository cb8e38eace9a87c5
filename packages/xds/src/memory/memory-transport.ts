// SPDX-License-Identifier: Apache-2.0
import type { XdsCall, XdsTransport } from "../client/transport.ts";
import { DELTA_METHOD, SOTW_METHOD, type XdsMethod } from "../protocol/methods.ts";
import type { Authenticate } from "../server/hooks.ts";
import type { StreamAcceptor } from "../server/xds-server.ts";
import { MemoryStream } from "./memory-stream.ts";

/**
 * Streams to a server in the same process, without sockets: for tests, and for programs that hold both ends. Messages
 * go through the same encoding as on the wire.
 */
export class MemoryTransport<Identity> implements XdsTransport {
  readonly #server: StreamAcceptor<Identity>;
  readonly #authenticate: Authenticate<Identity>;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(
    server: StreamAcceptor<Identity>,
    authenticate: Authenticate<Identity>,
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.#server = server;
    this.#authenticate = authenticate;
    this.#headers = headers;
  }

  open<Request, Response>(method: XdsMethod<Request, Response>): Promise<XdsCall<Request, Response>> {
    const stream = new MemoryStream(this.#headers);
    const isDelta = method.path === DELTA_METHOD.path;
    void (isDelta
      ? this.#server.acceptDelta(stream.serverEnd(DELTA_METHOD), this.#authenticate)
      : this.#server.acceptSotw(stream.serverEnd(SOTW_METHOD), this.#authenticate));
    return Promise.resolve(stream.clientEnd(method));
  }
}
