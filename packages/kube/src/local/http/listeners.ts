// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer, type ServerOptions as TlsServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { duplexPair } from "node:stream";
import { messageOf } from "@ambientmesh/core";
import { kubeErrors } from "../../errors.ts";

/** Where a server listens. */
export type ListenTarget =
  | { readonly host: string; readonly port: number }
  /** A listening socket made elsewhere, for instance in another network namespace. */
  | { readonly fd: number };

/** A listener: where, and with TLS if there is a certificate. Client certificates are verified when `ca` is given. */
export type ListenOptions = ListenTarget & {
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
};

/** All servers in front of one handler. */
export class Listeners implements AsyncDisposable {
  readonly #handler: RequestListener;
  readonly #servers = new Set<Server>();
  #internal: Server | undefined;

  constructor(handler: RequestListener) {
    this.#handler = handler;
  }

  /**
   * Opens a listener of our own; resolves to its address (port 0 is replaced by the real one).
   * @throws MeshError KUBE_LISTEN_FAILED.
   */
  async listen({ tls, ...target }: ListenOptions): Promise<{ readonly host: string; readonly port: number }> {
    const server = tls === undefined ? createServer(this.#handler) : createTlsServer(tlsOptions(tls), this.#handler);
    server.listen(target);
    try {
      await once(server, "listening");
    } catch (error) {
      const place = "fd" in target ? `file descriptor ${target.fd}` : `${target.host}:${target.port}`;
      throw kubeErrors.create("KUBE_LISTEN_FAILED", `can't listen on ${place}: ${messageOf(error)}`, { cause: error });
    }
    this.#servers.add(server);
    const address = server.address() as AddressInfo | null;
    return { host: address?.address ?? "", port: address?.port ?? 0 };
  }

  /** Serves on a server of the caller, who closes it, until the handle is disposed. */
  attach(server: Server): Disposable {
    server.on("request", this.#handler);
    return { [Symbol.dispose]: () => server.off("request", this.#handler) };
  }

  /** One end of a connection inside the process; the other end is served. */
  connect(): Duplex {
    this.#internal ??= this.#inner();
    const [near, far] = duplexPair();
    this.#internal.emit("connection", far);
    return near;
  }

  #inner(): Server {
    const server = createServer(this.#handler);
    this.#servers.add(server);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#servers].map(closeServer));
    this.#servers.clear();
  }
}

function tlsOptions({ cert, key, ca }: NonNullable<ListenOptions["tls"]>): TlsServerOptions {
  return { cert, key, ...(ca !== undefined && { ca, requestCert: true, rejectUnauthorized: false }) };
}

async function closeServer(server: Server): Promise<void> {
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  server.closeAllConnections();
  await closed.promise;
}
