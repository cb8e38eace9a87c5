// SPDX-License-Identifier: Apache-2.0
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { once } from "node:events";
import { messageOf, toMeshError } from "@ambientmesh/core";
import { ChannelCredentials, Client, Metadata, type ChannelOptions, type ClientDuplexStream } from "@grpc/grpc-js";
import { xdsErrors } from "../errors.ts";
import type { XdsMethod } from "../protocol/methods.ts";
import type { XdsCall, XdsTransport } from "./transport.ts";

/** TLS of a client; files are the caller's, read again for each stream. */
export interface ClientTls {
  /** PEM of the roots the server must chain to. */
  readonly roots: () => Promise<Buffer> | Buffer;
  /** A second name that the server's certificate may have instead of the host's. */
  readonly alternativeName?: string;
  /** PEM of the client's own key and chain, if it shows one. */
  readonly identity?: () => Promise<{ key: Buffer; certificates: Buffer }>;
}

/** Defaults are ztunnel's (Istio 1.31). */
export interface GrpcTransportOptions {
  /** "host:port". */
  readonly address: string;
  readonly tls: ClientTls | "plaintext";
  /** Metadata of the call (token, cluster id, ...), made again for each stream. */
  readonly headers?: () => Promise<Readonly<Record<string, string>>>;
  /** From the start of a stream until the connection is usable. Default 10 s. */
  readonly connectTimeoutMs?: number;
  /** Largest response. Default 200 MiB. */
  readonly maxReceiveBytes?: number;
  /** Default 30 s. */
  readonly keepaliveTimeMs?: number;
  /** Default 10 s. */
  readonly keepaliveTimeoutMs?: number;
}

const DEFAULTS = {
  connectTimeoutMs: 10_000,
  maxReceiveBytes: 200 * 1024 * 1024,
  keepaliveTimeMs: 30_000,
  keepaliveTimeoutMs: 10_000,
};

// HTTP/2's default of 64 KiB would make a full state take a round trip per 64 KiB.
const WINDOW_BYTES = 4 * 1024 * 1024;

/** Streams over gRPC, each on a channel of its own, so that new certificates and DNS answers are used at once. */
export class GrpcTransport implements XdsTransport {
  readonly #options: GrpcTransportOptions & typeof DEFAULTS;

  constructor(options: GrpcTransportOptions) {
    this.#options = { ...DEFAULTS, ...options };
  }

  async open<Request, Response>(
    method: XdsMethod<Request, Response>,
    signal: AbortSignal,
  ): Promise<XdsCall<Request, Response>> {
    const { address } = this.#options;
    const [credentials, metadata] = await this.#prepared();
    signal.throwIfAborted();
    const client = new Client(address, credentials, channelOptions(this.#options));
    const duplex = client.makeBidiStreamRequest(method.path, method.encodeRequest, method.decodeResponse, metadata);
    return new GrpcCall(client, duplex, { address, connectTimeoutMs: this.#options.connectTimeoutMs });
  }

  async #prepared(): Promise<[ChannelCredentials, Metadata]> {
    const { address, tls, headers } = this.#options;
    try {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries((await headers?.()) ?? {})) metadata.set(name, value);
      return [tls === "plaintext" ? ChannelCredentials.createInsecure() : await tlsCredentials(tls), metadata];
    } catch (cause) {
      const message = `can't call ${address}: ${messageOf(cause)}`;
      throw xdsErrors.create("XDS_LOCAL_FAILED", message, { cause, details: { address }, retryable: true });
    }
  }
}

async function tlsCredentials({ roots, identity, alternativeName }: ClientTls): Promise<ChannelCredentials> {
  const [ca, own] = await Promise.all([roots(), identity?.()]);
  return ChannelCredentials.createSsl(ca, own?.key, own?.certificates, {
    checkServerIdentity: (host: string, certificate: PeerCertificate) => {
      const error = checkServerIdentity(host, certificate);
      return error && alternativeName !== undefined ? checkServerIdentity(alternativeName, certificate) : error;
    },
  });
}

function channelOptions(options: typeof DEFAULTS): ChannelOptions {
  return {
    "grpc.max_receive_message_length": options.maxReceiveBytes,
    "grpc.max_send_message_length": -1,
    "grpc.keepalive_time_ms": options.keepaliveTimeMs,
    "grpc.keepalive_timeout_ms": options.keepaliveTimeoutMs,
    "grpc-node.flow_control_window": WINDOW_BYTES,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    "grpc.enable_channelz": 0,
    "grpc.enable_http_proxy": 0,
    "grpc.service_config_disable_resolution": 1,
  };
}

interface Connecting {
  readonly address: string;
  readonly connectTimeoutMs: number;
}

class GrpcCall<Request, Response> implements XdsCall<Request, Response> {
  readonly #client: Client;
  readonly #duplex: ClientDuplexStream<Request, Response>;
  readonly #address: string;
  #wasConnected = false;
  #hasTimedOut = false;
  #isClosed = false;

  constructor(client: Client, duplex: ClientDuplexStream<Request, Response>, connecting: Connecting) {
    this.#client = client;
    this.#duplex = duplex;
    this.#address = connecting.address;
    // The iteration reports errors; without a listener one that comes before it would end the process.
    duplex.on("error", () => {});
    client.waitForReady(Date.now() + connecting.connectTimeoutMs, (error) => this.#connected(error));
  }

  async send(request: Request): Promise<void> {
    if (this.#isClosed || this.#duplex.writableEnded || this.#duplex.write(request)) return;
    const over = new AbortController();
    const events = ["drain", "close", "error", "status"].map((event) =>
      once(this.#duplex, event, { signal: over.signal }),
    );
    await Promise.race(events).catch(() => {
      // The stream broke; the iteration says how.
    });
    over.abort();
    await Promise.allSettled(events);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Response, void, undefined> {
    try {
      for await (const response of this.#duplex) yield response as Response;
    } catch (error) {
      if (!this.#isClosed) throw this.#ended(error);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#duplex.cancel();
    this.#client.close();
  }

  #connected(error: Error | undefined): void {
    this.#wasConnected = error === undefined;
    if (!error || this.#isClosed) return;
    this.#hasTimedOut = true;
    this.#duplex.cancel();
  }

  #ended(cause: unknown): Error {
    const { code, details } = statusOf(cause);
    const context = { cause, details: { address: this.#address, status: code, message: details }, retryable: true };
    if (this.#wasConnected) {
      return xdsErrors.create("XDS_STREAM_ENDED", `${this.#address} ended the stream: ${details}`, context);
    }
    const reason = this.#hasTimedOut ? "no connection in time" : details;
    return xdsErrors.create("XDS_CONNECT_FAILED", `can't connect to ${this.#address}: ${reason}`, context);
  }
}

function statusOf(error: unknown): { code: unknown; details: string } {
  if (error instanceof Error && "code" in error && "details" in error) {
    return { code: error.code, details: String(error.details) };
  }
  return { code: undefined, details: toMeshError(error).message };
}
