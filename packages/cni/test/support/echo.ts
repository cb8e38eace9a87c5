// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { canonicalAddress, connectTcp, listenTcp, type ConnectOptions, type NetnsRef } from "@ambientmesh/linux";

/** A server that says who it is talking to, then echoes; it ends with all its connections. */
export class Echo implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.#sockets.delete(socket));
      socket.write(`${canonicalAddress(socket.remoteAddress ?? "")}\n`);
      socket.pipe(socket);
    });
  }

  async listen(netns: NetnsRef, port: number, address = "::"): Promise<this> {
    await listenTcp(this.#server, { netns, address, port });
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }
}

/** A connection to an {@link Echo}. */
export class EchoClient implements Disposable {
  /** The client's address as the server sees it. */
  readonly seenAs: string;
  readonly #socket: Socket;
  readonly #lines: AsyncIterator<string>;

  private constructor(socket: Socket, lines: AsyncIterator<string>, seenAs: string) {
    this.#socket = socket;
    this.#lines = lines;
    this.seenAs = seenAs;
  }

  /** @throws MeshError LINUX_CONNECT_FAILED; Error when the connection ends before the server has spoken */
  static async connect(
    netns: NetnsRef,
    target: Pick<ConnectOptions, "bindAddress" | "host" | "mark" | "port" | "timeoutMs">,
  ): Promise<EchoClient> {
    const socket = await connectTcp({ netns, timeoutMs: 3000, ...target });
    const lines = linesOf(socket);
    const first = await lines.next();
    if (first.done === true) throw new Error("the connection ended before the server spoke");
    return new EchoClient(socket, lines, first.value);
  }

  /** Sends a line and gives back what comes. @throws Error when the connection has ended */
  async say(line: string): Promise<string> {
    this.#socket.write(`${line}\n`);
    const next = await this.#lines.next();
    if (next.done === true) throw new Error("the connection ended");
    return next.value;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

async function* linesOf(socket: Socket): AsyncGenerator<string, void> {
  let rest = "";
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    const parts = (rest + chunk.toString()).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
}
