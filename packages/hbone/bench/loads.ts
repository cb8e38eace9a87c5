// SPDX-License-Identifier: Apache-2.0
/** Loads on a proxy pair, and the app behind it. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

const CHUNK = Buffer.alloc(256 * 1024, "x");
/** Size of a small request and of its answer. */
const SMALL_BYTES = 1024;
const SMALL = Buffer.alloc(SMALL_BYTES, "r");

/** A load that runs until it is stopped. */
export interface RunningLoad {
  /** Octets, requests or connections done so far, counted where they arrive. */
  readonly done: () => number;
  /** How long each request took, in ms. */
  readonly latencies: number[];
  readonly stop: () => void;
}

export interface App {
  readonly port: number;
  /** Octets received by connections that send without end. */
  readonly received: () => number;
  close(): void;
}

/** The first octet of a connection says what the app does: "u" takes all, "d" sends without end, "r" answers each KiB. */
export async function startApp(): Promise<App> {
  const sinks = new Set<Socket>();
  let finished = 0;
  const server: Server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (first: Buffer) => {
      const mode = String.fromCharCode(first[0] ?? 0);
      if (mode === "d") pump(socket);
      if (mode === "r") return answer(socket, first.length - 1);
      sinks.add(socket);
      socket.on("close", () => {
        sinks.delete(socket);
        finished += socket.bytesRead;
      });
      socket.resume();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    received: () => [...sinks].reduce((sum, { bytesRead }) => sum + bytesRead, finished),
    close: () => server.close(),
  };
}

function answer(socket: Socket, early: number): void {
  let pending = early;
  const reply = (): void => {
    for (; pending >= SMALL_BYTES; pending -= SMALL_BYTES) socket.write(SMALL);
  };
  socket.on("data", (chunk: Buffer) => {
    pending += chunk.length;
    reply();
  });
  reply();
}

function pump(socket: Socket): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on("drain", more);
  more();
}

async function open(port: number, mode: string): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => socket.destroy());
  await once(socket, "connect");
  socket.write(mode);
  return socket;
}

/** Octets away from ("u") or towards ("d") the client, over `count` connections. */
export async function bulk(port: number, mode: "u" | "d", count: number, app: App): Promise<RunningLoad> {
  const sockets = await Promise.all(Array.from({ length: count }, () => open(port, mode)));
  for (const socket of sockets) {
    if (mode === "u") pump(socket);
    else socket.resume();
  }
  const received = (): number => sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  return {
    done: mode === "u" ? app.received : received,
    latencies: [],
    stop: () => sockets.forEach((s) => s.destroy()),
  };
}

/** Requests of 1 KiB, one at a time on each of `count` connections. */
export async function requests(port: number, count: number): Promise<RunningLoad> {
  const latencies: number[] = [];
  const sockets = await Promise.all(Array.from({ length: count }, () => open(port, "r")));
  for (const socket of sockets) {
    let received = 0;
    let sentAt = performance.now();
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received < SMALL_BYTES) return;
      received -= SMALL_BYTES;
      const now = performance.now();
      latencies.push(now - sentAt);
      sentAt = now;
      socket.write(SMALL);
    });
    socket.write(SMALL);
  }
  return { done: () => latencies.length, latencies, stop: () => sockets.forEach((socket) => socket.destroy()) };
}

/** Connections with one request each, `count` at a time. */
export function connections(port: number, count: number): RunningLoad {
  const latencies: number[] = [];
  let isStopped = false;
  const next = (): void => {
    if (isStopped) return;
    const startedAt = performance.now();
    let received = 0;
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.on("error", () => socket.destroy());
    socket.on("connect", () => socket.write(`r${SMALL.toString("latin1")}`));
    socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      if (received < SMALL_BYTES) return;
      latencies.push(performance.now() - startedAt);
      socket.end();
    });
    socket.on("close", next);
  };
  for (let index = 0; index < count; index++) next();
  return { done: () => latencies.length, latencies, stop: () => (isStopped = true) };
}
