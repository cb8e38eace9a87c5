// SPDX-License-Identifier: Apache-2.0
import type { XdsCall, XdsMethod, XdsTransport } from "../../src/index.ts";

/** Lets a test break the stream of a client that reconnects by itself. */
export class InterruptibleTransport implements XdsTransport {
  readonly #transport: XdsTransport;
  #call: { close(): void } | undefined;
  /** Streams opened so far. */
  opened = 0;

  constructor(transport: XdsTransport) {
    this.#transport = transport;
  }

  async open<Request, Response>(
    method: XdsMethod<Request, Response>,
    signal: AbortSignal,
  ): Promise<XdsCall<Request, Response>> {
    const call = await this.#transport.open(method, signal);
    this.opened++;
    this.#call = call;
    return call;
  }

  interrupt(): void {
    this.#call?.close();
  }
}
