// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** Loopback connections of a test; all are gone when it is disposed. */
export class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #accepted: PromiseWithResolvers<Socket>[] = [];

  constructor() {
    this.#server = createServer((socket) => {
      this.#own(socket);
      this.#accepted.shift()?.resolve(socket);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<this> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  /** The next connection that somebody makes to {@link Wire.port}. */
  async accept(): Promise<Socket> {
    const accepted = Promise.withResolvers<Socket>();
    this.#accepted.push(accepted);
    return accepted.promise;
  }

  /** Both ends of a new connection. */
  async pair(): Promise<{ readonly client: Socket; readonly server: Socket }> {
    const accepted = this.accept();
    const client = this.#own(connect(this.port, "127.0.0.1"));
    return { client, server: await accepted };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #own(socket: Socket): Socket {
    this.#sockets.add(socket);
    // Tests look at outcomes; that a refused peer resets its connection is no news.
    socket.on("error", () => {});
    return socket;
  }
}
