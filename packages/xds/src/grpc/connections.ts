// SPDX-License-Identifier: Apache-2.0
import type { X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** The connection below a call. */
export interface Peer {
  /** "address:port", or "unknown" if the connection is gone already. */
  readonly address: string;
  /** The verified certificate of the client, if it showed one. */
  readonly certificate: X509Certificate | undefined;
  /** Cuts the connection with everything on it. */
  abort(): void;
}

interface Connection {
  readonly socket: Socket;
  tls: TLSSocket | undefined;
}

/** The open connections of one listener, by remote address and port, which is how grpc-js names the peer of a call. */
export class Connections {
  readonly #open = new Map<string, Connection>();

  get size(): number {
    return this.#open.size;
  }

  /** Keeps an accepted socket until it closes. */
  add(socket: Socket): void {
    const address = addressOf(socket);
    const connection: Connection = { socket, tls: undefined };
    this.#open.set(address, connection);
    socket.once("close", () => {
      if (this.#open.get(address) === connection) this.#open.delete(address);
    });
  }

  /** Notes that TLS was established on top of a socket. */
  secured(tls: TLSSocket): void {
    const connection = this.#open.get(addressOf(tls));
    if (connection) connection.tls = tls;
  }

  /** The connection with a remote "address:port". */
  peer(address: string): Peer {
    const connection = this.#open.get(address);
    return {
      address: connection ? address : "unknown",
      certificate: connection?.tls?.authorized ? connection.tls.getPeerX509Certificate() : undefined,
      abort: () => connection?.socket.destroy(),
    };
  }

  /** Resolves when no connection is open. */
  async allClosed(): Promise<void> {
    while (this.#open.size > 0) {
      const closed = [...this.#open.values()].map(({ socket }) => new Promise((done) => socket.once("close", done)));
      await Promise.all(closed);
    }
  }

  /** Cuts every connection. */
  destroyAll(): void {
    for (const { socket } of this.#open.values()) socket.destroy();
  }
}

function addressOf(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`;
}
