// SPDX-License-Identifier: Apache-2.0
import { systemClock, type Clock } from "@ambientmesh/core";
import {
  DeltaClient,
  GrpcListener,
  GrpcTransport,
  ResourceCache,
  XdsServer,
  deltaType,
  serveXds,
  type Authenticate,
  type DebounceOptions,
  type GrpcListenerOptions,
  type GrpcTransportOptions,
  type SubscriptionMode,
  type XdsServerOptions,
} from "../../src/index.ts";
import { RecordingLogger, RecordingMetrics, anybody, nodeOf } from "./harness.ts";
import { NOTE, TEXT, TextOwner } from "./texts.ts";

export interface SocketServerOptions {
  readonly listener?: Partial<GrpcListenerOptions>;
  readonly server?: Partial<XdsServerOptions<string>>;
  readonly authenticate?: Authenticate<string>;
  readonly debounce?: DebounceOptions;
  readonly cache?: ResourceCache;
  /** The server's clock; sockets always live by the machine's. */
  readonly clock?: Clock;
}

/** A server on a loopback port; everything of it is disposed with it. */
export class SocketServer implements AsyncDisposable {
  readonly cache: ResourceCache;
  readonly server: XdsServer<string>;
  readonly listener: GrpcListener;
  readonly log = new RecordingLogger();
  readonly metrics = new RecordingMetrics();

  private constructor(options: SocketServerOptions) {
    const { listener, server, authenticate = anybody, debounce, cache, clock = systemClock } = options;
    this.cache = cache ?? new ResourceCache({ clock: systemClock }, debounce ?? { quietMs: 0 });
    this.server = new XdsServer<string>(
      { clock, log: this.log, metrics: this.metrics },
      {
        types: [
          { typeUrl: TEXT, source: this.cache.store(TEXT) },
          { typeUrl: NOTE, source: this.cache.store(NOTE) },
        ],
        ...server,
      },
    );
    this.server.markReady();
    const where = { host: "127.0.0.1", port: 0, drainMs: 500, ...listener };
    this.listener = new GrpcListener({ clock: systemClock, log: this.log }, where);
    serveXds(this.server, this.listener, authenticate);
  }

  static async start(options: SocketServerOptions = {}): Promise<SocketServer> {
    const server = new SocketServer(options);
    await server.listener.start();
    return server;
  }

  get port(): number {
    return this.listener.address?.port ?? 0;
  }

  get address(): string {
    return `localhost:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.listener[Symbol.asyncDispose]();
    this.cache[Symbol.dispose]();
  }
}

export interface SocketClient extends AsyncDisposable {
  readonly client: DeltaClient;
  readonly owner: TextOwner;
  readonly metrics: RecordingMetrics;
}

/** A client of the text type, not started. */
export function socketClient(
  address: string,
  options: Partial<GrpcTransportOptions> & { readonly mode?: SubscriptionMode; readonly nodeId?: string } = {},
): SocketClient {
  const { mode = "wildcard", nodeId, ...transport } = options;
  const owner = new TextOwner();
  const metrics = new RecordingMetrics();
  const client = new DeltaClient(
    { transport: new GrpcTransport({ address, tls: "plaintext", ...transport }), clock: systemClock, metrics },
    { node: () => nodeOf(nodeId), types: [deltaType(owner, mode)] },
  );
  return { client, owner, metrics, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}
