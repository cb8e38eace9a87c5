// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Socket } from "node:net";
import { messageOf, type Logger } from "@ambientmesh/core";
import { peerNames, type PeerNames, type TlsSettings } from "./context.ts";

/** How a listener speaks TLS. */
export interface TlsAcceptorSettings extends TlsSettings {
  readonly requiresClientCertificate: boolean;
}

const HANDSHAKE_MS = 15_000;

/** Turns accepted sockets into TLS connections; those whose handshake fails or whose name is not wanted are closed. */
export class TlsAcceptor {
  readonly #server: Server;

  constructor(settings: TlsAcceptorSettings, logger: Logger, onSecure: (socket: TLSSocket, peer: PeerNames) => void) {
    const { material, verifiesPeer, requiresClientCertificate, alpnProtocols } = settings;
    const server = createServer({
      ...material,
      requestCert: verifiesPeer || requiresClientCertificate,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
      allowHalfOpen: true,
      ...(alpnProtocols.length > 0 && { ALPNProtocols: [...alpnProtocols] }),
    });
    server.on("secureConnection", (socket) => {
      socket.on("error", () => socket.destroy());
      const outcome = judge(socket, settings);
      if (typeof outcome !== "string") return onSecure(socket, outcome);
      logger.info("TLS client refused", { from: socket.remoteAddress, reason: outcome });
      socket.destroy();
    });
    server.on("tlsClientError", (error, socket) => {
      logger.info("TLS handshake failed", { from: socket.remoteAddress, reason: error.message });
      socket.destroy();
    });
    this.#server = server;
  }

  take(socket: Socket): void {
    this.#server.emit("connection", socket);
  }
}

/** The client's names, or why it is refused. */
function judge(
  socket: TLSSocket,
  { requiresClientCertificate, verifiesPeer, acceptsPeer }: TlsAcceptorSettings,
): PeerNames | string {
  try {
    const peer = peerNames(socket);
    if (!peer.isPresent) return requiresClientCertificate ? "no certificate" : peer;
    if (!verifiesPeer) return peer;
    if (!socket.authorized) return String(socket.authorizationError);
    return acceptsPeer(socket) ? peer : "no name that is wanted";
  } catch (error) {
    return messageOf(error);
  }
}
