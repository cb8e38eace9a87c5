// SPDX-License-Identifier: Apache-2.0
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { CallInfo, ServerStream, StreamStatus } from "../server/server-stream.ts";
import type { Peer } from "./connections.ts";

/** A bidirectional call of grpc-js. */
export class GrpcServerStream<Request> implements ServerStream<Request> {
  readonly info: CallInfo;
  readonly #call: ServerDuplexStream<Request, Uint8Array>;
  readonly #peer: Peer;
  readonly #closed = new AbortController();

  constructor(call: ServerDuplexStream<Request, Uint8Array>, peer: Peer) {
    this.#call = call;
    this.#peer = peer;
    this.info = callInfo(call, peer);
    call.on("close", () => this.#closed.abort());
    call.on("cancelled", () => this.#closed.abort());
    // grpc-js turns an error into the status of the call; without a listener it would end the process.
    call.on("error", () => {});
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  start(onRequest: (request: Request) => void): void {
    this.#call.on("data", onRequest);
    this.#call.on("end", () => this.#call.end());
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  write(bytes: Uint8Array, flushed: () => void): void {
    // The callback comes when HTTP/2 flow control let the message go, later than what write() returns can tell.
    this.#call.write(bytes, (error?: Error | null) => {
      if (!error) flushed();
    });
  }

  end(status: StreamStatus): void {
    if (this.#closed.signal.aborted) return;
    if (status.code === 0) this.#call.end();
    else this.#call.emit("error", { code: status.code, details: status.message });
  }

  abort(): void {
    this.#peer.abort();
    this.#call.destroy();
  }
}

/** What a hook may know of a call. */
export function callInfo(call: Pick<ServerDuplexStream<unknown, unknown>, "metadata">, peer: Peer): CallInfo {
  return {
    peerAddress: peer.address,
    peerCertificate: peer.certificate,
    metadata: (name) => {
      const [value] = call.metadata.get(name);
      return value === undefined ? undefined : value.toString();
    },
  };
}
