// SPDX-License-Identifier: Apache-2.0
import type { Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { bindUdp, listenTcp, type NetnsRef } from "@ambientmesh/linux";
import { answerMessage } from "./answer.ts";
import type { NameLookup } from "./records.ts";

/** Where a DNS server listens, with UDP and TCP. */
export interface DnsServerOptions {
  readonly netns: NetnsRef;
  readonly address: string;
  readonly port: number;
}

const LENGTH_BYTES = 2;
const MAX_CONNECTIONS = 256;
const IDLE_MS = 10_000;

/** The cluster's DNS server. Asks nobody else: names outside of the cluster are refused. */
export async function startDnsServer(options: DnsServerOptions, lookup: NameLookup): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const udp = await bindUdp(options);
  stack.defer(() => closeUdp(udp));
  // A question that can't be answered is asked again by its client.
  udp.on("error", () => {});
  udp.on("message", (message, { address, port }) => {
    const answer = answerMessage(message, "udp", lookup);
    if (answer !== undefined) udp.send(answer, port, address, () => {});
  });
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => serve(socket, connections, lookup));
  tcp.maxConnections = MAX_CONNECTIONS;
  stack.defer(() => closeTcp(tcp, connections));
  await listenTcp(tcp, options);
  return stack.move();
}

/** Messages over TCP have their length in front (RFC 1035, 4.2.2). Who does not read its answers is not read either. */
function serve(socket: Socket, connections: Set<Socket>, lookup: NameLookup): void {
  connections.add(socket);
  let received: Buffer = Buffer.alloc(0);
  const answerAll = (): void => {
    for (let message = nextMessage(received); message !== undefined; message = nextMessage(received)) {
      received = received.subarray(LENGTH_BYTES + message.length);
      const answer = answerMessage(message, "tcp", lookup);
      if (answer === undefined) return void socket.destroy();
      if (!socket.write(withLength(answer))) return void socket.pause();
    }
    socket.resume();
  };
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("close", () => connections.delete(socket));
  // The peer is gone; its connection closes by itself.
  socket.on("error", () => {});
  socket.on("drain", answerAll);
  socket.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
    answerAll();
  });
}

function withLength(answer: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(answer.length);
  return Buffer.concat([length, answer]);
}

function nextMessage(received: Buffer): Buffer | undefined {
  if (received.length < LENGTH_BYTES) return undefined;
  const end = LENGTH_BYTES + received.readUInt16BE(0);
  return received.length < end ? undefined : received.subarray(LENGTH_BYTES, end);
}

async function closeUdp(udp: UdpSocket): Promise<void> {
  const closed = once(udp, "close");
  udp.close();
  await closed;
}

async function closeTcp(tcp: Server, connections: ReadonlySet<Socket>): Promise<void> {
  for (const socket of connections) socket.destroy();
  if (!tcp.listening) return;
  const closed = once(tcp, "close");
  tcp.close();
  await closed;
}
