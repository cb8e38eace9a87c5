// SPDX-License-Identifier: Apache-2.0
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { messageOf, type Clock, type Logger } from "@ambientmesh/core";
import { waypointErrors } from "../errors.ts";
import type { ConnectionManager } from "../http/connection-manager.ts";
import { TlsAcceptor, type TlsAcceptorSettings } from "../tls/accept.ts";
import type { PeerNames } from "../tls/context.ts";
import type { ConnectionFacts } from "../telemetry/request-record.ts";

/** How much a listener takes on. */
export interface ListeningOptions {
  readonly address: string;
  readonly port: number;
  /** Connections at a time; further ones are closed at once. */
  readonly maxConnections: number;
}

/** What takes a listener's connections. */
export interface ConnectionTaker {
  readonly manager: ConnectionManager;
  /** Undefined: plain text. */
  readonly tls: TlsAcceptorSettings | undefined;
}

/** A bound socket whose connections go to a manager, which can be replaced while it listens. */
export class Listening {
  readonly #options: ListeningOptions;
  readonly #server: Server;
  readonly #logger: Logger;
  #manager: ConnectionManager;
  #tls: TlsAcceptor | undefined;
  readonly #former = new Set<ConnectionManager>();

  constructor(taker: ConnectionTaker, options: ListeningOptions, logger: Logger) {
    this.#manager = taker.manager;
    this.#options = options;
    this.#logger = logger;
    this.#tls = this.#acceptor(taker);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) =>
      this.#take(socket),
    );
    this.#server.maxConnections = options.maxConnections;
  }

  /** @throws MeshError WAYPOINT_LISTEN */
  async start(): Promise<void> {
    const { address: host, port } = this.#options;
    this.#server.listen({ host, port });
    await once(this.#server, "listening").catch((cause: unknown) => {
      const message = `can't listen on ${host} port ${port}: ${messageOf(cause)}`;
      throw waypointErrors.create("WAYPOINT_LISTEN", message, { cause, details: { host, port } });
    });
  }

  /** Where it is bound; the port is the real one. */
  get address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  isAt(address: string, port: number): boolean {
    return this.#options.address === address && this.#options.port === port;
  }

  /** New connections go to `manager`; those of the former one end as their requests are answered. */
  replace(taker: ConnectionTaker): void {
    for (const manager of this.#former) if (manager.isIdle) this.#former.delete(manager);
    this.#former.add(this.#manager);
    this.#manager.drain();
    this.#manager = taker.manager;
    this.#tls = this.#acceptor(taker);
  }

  /** Takes no new connections; resolves when all have ended, at the latest after `deadlineMs`. */
  async close(deadlineMs: number, clock: Clock): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#manager.drain();
    using _timer = clock.setTimer(deadlineMs, () => {
      for (const manager of [...this.#former, this.#manager]) manager.destroy();
    });
    await closed;
  }

  #take(socket: Socket): void {
    if (this.#tls) this.#tls.take(socket);
    else this.#manager.serve(socket, factsOf(socket));
  }

  #acceptor({ manager, tls }: ConnectionTaker): TlsAcceptor | undefined {
    if (!tls) return undefined;
    return new TlsAcceptor(tls, this.#logger, (socket, peer) => manager.serve(socket, factsOf(socket, peer)));
  }
}

function factsOf(socket: Socket, peer?: PeerNames): ConnectionFacts {
  return {
    remoteAddress: plainAddress(socket.remoteAddress),
    remotePort: socket.remotePort ?? 0,
    localAddress: plainAddress(socket.localAddress),
    localPort: socket.localPort ?? 0,
    isEncrypted: peer !== undefined,
    principals: peer?.isPresent ? (peer.uris.length > 0 ? peer.uris : peer.dns) : undefined,
  };
}

/** IPv4 as such where a socket for both families shows it inside of IPv6. */
function plainAddress(address = ""): string {
  return address.replace(/^::ffff:(?=\d+\.)/, "");
}
