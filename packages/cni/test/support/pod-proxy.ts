// SPDX-License-Identifier: Apache-2.0
import type { Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import {
  bindUdp,
  canonicalAddress,
  connectTcp,
  formatEndpoint,
  listenTcp,
  originalDestination,
  type NetnsRef,
} from "@ambientmesh/linux";

const MARK = 0x539;

export interface PodProxyOptions {
  readonly hasDns?: boolean;
}

/**
 * What a node proxy has in a pod, without any encryption: connections taken over on the way out (15001) go where they
 * were going, those taken over on the way in (15006) go to the app with the client's address, DNS questions are answered
 * with a fixed text. All that comes is noted.
 */
export class PodProxy implements AsyncDisposable {
  /** "outbound 10.0.1.3:80" */
  readonly seen: string[] = [];
  readonly #netns: NetnsRef;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #udp: UdpSocket[] = [];

  constructor(netns: NetnsRef) {
    this.#netns = netns;
  }

  async start({ hasDns = false }: PodProxyOptions = {}): Promise<void> {
    await this.#listen(15_001, (socket) => this.#relay("outbound", socket));
    await this.#listen(15_006, (socket) => this.#relay("inbound", socket));
    await this.#listen(15_008, (socket) => {
      this.seen.push("hbone");
      socket.end("hbone");
    });
    if (!hasDns) return;
    await this.#listen(15_053, (socket) => {
      this.seen.push("dns tcp");
      socket.end("answer");
    });
    for (const address of ["127.0.0.1", "::1"]) {
      const socket = await bindUdp({ netns: this.#netns, address, port: 15_053, mark: MARK });
      this.#udp.push(socket);
      socket.on("message", (_question, from) => {
        this.seen.push("dns udp");
        socket.send("answer", from.port, from.address);
      });
    }
  }

  /** As a node proxy does when it has to let go of a pod: everything ends at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.#servers.splice(0).map((server) => {
      const promise = once(server, "close");
      server.close();
      return promise;
    });
    for (const socket of this.#sockets) socket.resetAndDestroy();
    for (const socket of this.#udp.splice(0)) socket.close();
    await Promise.all(closed);
  }

  async #listen(port: number, onConnection: (socket: Socket) => void): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#own(socket);
      onConnection(socket);
    });
    await listenTcp(server, { netns: this.#netns, address: "::", port, mark: MARK, transparent: true });
    this.#servers.push(server);
  }

  #relay(direction: "inbound" | "outbound", socket: Socket): void {
    const target = originalDestination(socket);
    this.seen.push(`${direction} ${formatEndpoint(target)}`);
    const bindAddress = direction === "inbound" ? canonicalAddress(socket.remoteAddress ?? "") : undefined;
    connectTcp({
      netns: this.#netns,
      host: target.address,
      port: target.port,
      mark: MARK,
      timeoutMs: 3000,
      ...(bindAddress !== undefined && { bindAddress }),
    }).then(
      (upstream) => {
        this.#own(upstream);
        socket.pipe(upstream).pipe(socket);
      },
      () => socket.resetAndDestroy(),
    );
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => this.#sockets.delete(socket));
  }
}
