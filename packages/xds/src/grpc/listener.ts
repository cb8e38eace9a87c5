// SPDX-License-Identifier: Apache-2.0
import { constants } from "node:crypto";
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from "node:net";
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket, type TlsOptions } from "node:tls";
import { messageOf, silentLogger, toMeshError, type Clock, type Logger, type Service } from "@ambientmesh/core";
import {
  Server as GrpcServer,
  ServerCredentials,
  type ServerOptions,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { xdsErrors } from "../errors.ts";
import type { CallInfo } from "../server/server-stream.ts";
import { Connections, type Peer } from "./connections.ts";
import { callInfo } from "./grpc-server-stream.ts";
import type { ServerTlsMaterial, ServerTlsSource } from "./tls-source.ts";

/** What a listener is made with. */
export interface GrpcListenerDeps {
  readonly clock: Clock;
  readonly log?: Logger;
}

/** Defaults follow istiod (Istio 1.31) where it has one. */
export interface GrpcListenerOptions {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Without: plaintext. */
  readonly tls?: ServerTlsSource;
  /** Default TLSv1.2. */
  readonly minTlsVersion?: "TLSv1.2" | "TLSv1.3";
  /** Default 10 s. */
  readonly handshakeTimeoutMs?: number;
  /** Ping after this long; a dead client is noticed after both times together. Default 30 s. */
  readonly keepaliveTimeMs?: number;
  /** Default 10 s. */
  readonly keepaliveTimeoutMs?: number;
  /** Connections are asked to end (GOAWAY) after this long, ±10 %, so that load spreads. Default: never. */
  readonly maxConnectionAgeMs?: number;
  /** What still runs this long after that is cut. Default 10 s. */
  readonly maxConnectionAgeGraceMs?: number;
  /** A connection without a stream is ended after this long. Default 5 min. */
  readonly maxConnectionIdleMs?: number;
  /** Largest request. Default 4 MiB. */
  readonly maxReceiveBytes?: number;
  /** Streams per connection. Default 1000: clients need a handful. */
  readonly maxConcurrentStreams?: number;
  /** Default: no limit. */
  readonly maxConnections?: number;
  /** How long dispose waits for open streams. Default 10 s. */
  readonly drainMs?: number;
}

const DEFAULTS = {
  minTlsVersion: "TLSv1.2" as const,
  handshakeTimeoutMs: 10_000,
  keepaliveTimeMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  maxConnectionAgeGraceMs: 10_000,
  maxConnectionIdleMs: 300_000,
  maxReceiveBytes: 4 * 1024 * 1024,
  maxConcurrentStreams: 1000,
  drainMs: 10_000,
} satisfies Partial<GrpcListenerOptions>;

type Resolved = GrpcListenerOptions & Required<Pick<GrpcListenerOptions, keyof typeof DEFAULTS>>;

/**
 * A gRPC server on one address. It owns its sockets: TLS ends in a `tls.Server` whose key and certificate can be
 * exchanged while connections stay open, and the decrypted connection is handed to grpc-js.
 */
export class GrpcListener implements Service {
  readonly #options: Resolved;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #connections = new Connections();
  readonly #grpc: GrpcServer;
  readonly #injector: ReturnType<GrpcServer["createConnectionInjector"]>;
  #server: TcpServer | undefined;
  #following: Disposable | undefined;
  #closing: Promise<void> | undefined;

  constructor(deps: GrpcListenerDeps, options: GrpcListenerOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#clock = deps.clock;
    this.#log = deps.log ?? silentLogger;
    this.#grpc = new GrpcServer(grpcOptions(this.#options));
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Adds a service; before or after {@link start}. */
  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    this.#grpc.addService(definition, implementation);
  }

  /** The bound address; undefined before start and after dispose. */
  get address(): AddressInfo | undefined {
    const address = this.#server?.address();
    return typeof address === "object" && address !== null ? address : undefined;
  }

  /** Open connections. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** The connection below a call of a service on this listener. */
  peerOf(call: { getPeer(): string }): Peer {
    return this.#connections.peer(call.getPeer());
  }

  /** What an authenticator needs of a call of any service on this listener. */
  infoOf(call: { getPeer(): string } & Parameters<typeof callInfo>[0]): CallInfo {
    return callInfo(call, this.peerOf(call));
  }

  /** @throws MeshError XDS_LISTEN_FAILED, XDS_TLS_INVALID */
  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const server = this.#options.tls ? this.#createTls(this.#options.tls) : this.#createPlain();
    server.on("connection", (socket: Socket) => this.#accepted(socket));
    if (this.#options.maxConnections !== undefined) server.maxConnections = this.#options.maxConnections;
    const { host, port } = this.#options;
    const listening = Promise.withResolvers<void>();
    server.once("error", (cause) => {
      const message = `can't listen on ${host}:${port}: ${messageOf(cause)}`;
      listening.reject(xdsErrors.create("XDS_LISTEN_FAILED", message, { cause, details: { host, port } }));
    });
    server.listen({ host, port }, () => listening.resolve());
    try {
      await listening.promise;
    } catch (error) {
      this.#following?.[Symbol.dispose]();
      throw error;
    }
    server.on("error", (error) => this.#log.error("a listener failed", { error, host, port }));
    this.#server = server;
  }

  /** Stops accepting, lets open streams end until the deadline, then cuts them. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#following?.[Symbol.dispose]();
    this.#server?.close();
    // Sends GOAWAY on each connection. Its callback comes too early on Node 24 (server.close() there closes sessions
    // itself, which grpc-js takes for ended ones), so the connections are what is waited for.
    this.#grpc.tryShutdown(() => {});
    using _deadline = this.#clock.setTimer(this.#options.drainMs, () => {
      this.#log.warn("cutting connections that did not end in time", { connections: this.#connections.size });
      this.#grpc.forceShutdown();
      this.#connections.destroyAll();
    });
    await this.#connections.allClosed();
    this.#injector.destroy();
  }

  #createPlain(): TcpServer {
    return createTcpServer({ noDelay: true }, (socket) => this.#inject(socket));
  }

  #createTls(source: ServerTlsSource): TlsServer {
    const { minTlsVersion: minVersion, handshakeTimeoutMs: handshakeTimeout } = this.#options;
    const server = tlsOrThrow(() => {
      const material = source.current();
      const requestCert = (material.clientRoots?.length ?? 0) > 0;
      const base: TlsOptions = { minVersion, handshakeTimeout, requestCert, rejectUnauthorized: false };
      return createTlsServer({ ...base, ...contextOf(material), noDelay: true, ALPNProtocols: ["h2"] });
    });
    server.on("secureConnection", (socket) => this.#secured(socket));
    server.on("tlsClientError", (error, socket) => {
      this.#log.debug("a TLS handshake failed", { reason: messageOf(error), peer: socket.remoteAddress });
    });
    this.#following = source.subscribe(() => this.#rotate(server, source));
    return server;
  }

  // Bad new material must not take the listener down: the old certificate serves until it expires.
  #rotate(server: TlsServer, source: ServerTlsSource): void {
    try {
      server.setSecureContext({ ...contextOf(source.current()), minVersion: this.#options.minTlsVersion });
    } catch (error) {
      this.#log.error("new TLS material is not usable, the old one stays", { error: toMeshError(error) });
    }
  }

  #accepted(socket: Socket): void {
    socket.on("error", (error) => this.#log.debug("a connection failed", { reason: messageOf(error) }));
    if (this.#closing) socket.destroy();
    else this.#connections.add(socket);
  }

  #secured(socket: TLSSocket): void {
    socket.on("error", (error) => this.#log.debug("a connection failed", { reason: messageOf(error) }));
    // A certificate is optional, but one that does not verify is an error of the client and must not count as none.
    if (!socket.authorized && socket.getPeerX509Certificate()) {
      const reason = messageOf(socket.authorizationError);
      this.#log.warn("refusing a client certificate", { reason, peer: socket.remoteAddress });
      socket.destroy();
      return;
    }
    this.#connections.secured(socket);
    this.#inject(socket);
  }

  #inject(socket: Socket): void {
    if (this.#closing) socket.destroy();
    else if (!socket.destroyed) this.#injector.injectConnection(socket);
  }
}

function grpcOptions(options: Resolved): ServerOptions {
  return {
    "grpc.keepalive_time_ms": options.keepaliveTimeMs,
    "grpc.keepalive_timeout_ms": options.keepaliveTimeoutMs,
    "grpc.max_connection_age_grace_ms": options.maxConnectionAgeGraceMs,
    "grpc.max_connection_idle_ms": options.maxConnectionIdleMs,
    "grpc.max_receive_message_length": options.maxReceiveBytes,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": options.maxConcurrentStreams,
    // Its counters cost some percent of a push and nobody reads them.
    "grpc.enable_channelz": 0,
    ...(options.maxConnectionAgeMs !== undefined && { "grpc.max_connection_age_ms": options.maxConnectionAgeMs }),
  };
}

// Tickets would let a client resume past a change of the client roots.
function contextOf({ key, certificates, clientRoots = [] }: ServerTlsMaterial): TlsOptions {
  const ca = clientRoots.length > 0 ? { ca: [...clientRoots] } : {};
  return { key, cert: certificates, secureOptions: constants.SSL_OP_NO_TICKET, ...ca };
}

function tlsOrThrow<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    const message = `the TLS material of a listener is not usable: ${messageOf(cause)}`;
    throw xdsErrors.create("XDS_TLS_INVALID", message, { cause });
  }
}
