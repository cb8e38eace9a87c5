// SPDX-License-Identifier: Apache-2.0
import type { XdsCall } from "../client/transport.ts";
import { xdsErrors } from "../errors.ts";
import { asBuffer, type XdsMethod } from "../protocol/methods.ts";
import { GRPC_STATUS, type CallInfo, type ServerStream, type StreamStatus } from "../server/server-stream.ts";

interface Written {
  readonly bytes: Uint8Array;
  readonly flushed: () => void;
}

/** Both ends of one stream. A response counts as flushed when the client has taken it. */
export class MemoryStream {
  readonly #info: CallInfo;
  readonly #closed = new AbortController();
  readonly #requests: Buffer[] = [];
  #receiver: ((bytes: Buffer) => void) | undefined;
  #isPaused = false;
  #written: Written | undefined;
  #end: StreamStatus | undefined;
  #wake: () => void = () => {};

  constructor(headers: Readonly<Record<string, string>>) {
    this.#info = { peerAddress: "memory", peerCertificate: undefined, metadata: (name) => headers[name] };
  }

  /** The server's end, which reads requests of the given method. */
  serverEnd<Request>(method: XdsMethod<Request, unknown>): ServerStream<Request> {
    return {
      info: this.#info,
      closed: this.#closed.signal,
      start: (onRequest) => {
        this.#receiver = (bytes) => onRequest(method.decodeRequest(bytes));
        this.#deliver();
      },
      pause: () => void (this.#isPaused = true),
      resume: () => {
        this.#isPaused = false;
        this.#deliver();
      },
      write: (bytes, flushed) => {
        this.#written = { bytes, flushed };
        this.#wake();
      },
      end: (status) => this.#finish(status),
      abort: () => {
        this.#written = undefined;
        this.#finish({ code: GRPC_STATUS.UNAVAILABLE, message: "Connection dropped" });
        this.#closed.abort();
      },
    };
  }

  /** The client's end. */
  clientEnd<Request, Response>(method: XdsMethod<Request, Response>): XdsCall<Request, Response> {
    return {
      send: async (request) => {
        if (this.#closed.signal.aborted) return;
        this.#requests.push(method.encodeRequest(request));
        this.#deliver();
      },
      close: () => {
        this.#finish({ code: GRPC_STATUS.OK, message: "" });
        this.#closed.abort();
      },
      [Symbol.asyncIterator]: () => this.#responses(method),
    };
  }

  #finish(status: StreamStatus): void {
    this.#end ??= status;
    this.#wake();
  }

  // Not in the sender's call: over a network nobody is called back before its own call returned.
  #deliver(): void {
    queueMicrotask(() => {
      while (this.#receiver && !this.#isPaused && !this.#closed.signal.aborted) {
        const bytes = this.#requests.shift();
        if (!bytes) return;
        this.#receiver(bytes);
      }
    });
  }

  async *#responses<Response>(
    method: Pick<XdsMethod<unknown, Response>, "decodeResponse">,
  ): AsyncGenerator<Response, void, undefined> {
    for (;;) {
      const written = await this.#next();
      if (!written) break;
      written.flushed();
      yield method.decodeResponse(asBuffer(written.bytes));
    }
    this.#closed.abort();
    const { code: status, message } = this.#end ?? { code: GRPC_STATUS.OK, message: "" };
    if (status === GRPC_STATUS.OK) return;
    throw xdsErrors.create("XDS_STREAM_ENDED", `the server ended the stream: ${message}`, {
      details: { status, message },
      retryable: true,
    });
  }

  async #next(): Promise<Written | undefined> {
    while (!this.#written && !this.#end) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const written = this.#written;
    this.#written = undefined;
    return written;
  }
}
