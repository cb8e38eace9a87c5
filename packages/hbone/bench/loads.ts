// SPDX-License-Identifier: Apache-2.0
/** Loads on a proxy pair, and the app behind it. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { once } from "node:events";

const CHUNK = Buffer.alloc(256 * 1024, "x");
/** Size of a small request and of its answer. */
export const SMALL_BYTES = 1024;
const SMALL = Buffer.alloc(SMALL_BYTES, "r");

export interface App {
  readonly port: number;
  close(): void;
}

/** The first octet of a connection says what the app does: "u" takes all, "d" sends without end, "r" answers each KiB. */
export async function startApp(): Promise<App> {
  const server: Server = createServer({ noDelay: true }, serveApp);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

function serveApp(socket: Socket): void {
  socket.on("error", () => socket.destroy());
  socket.once("data", (first: Buffer) => {
    const mode = String.fromCharCode(first[0] ?? 0);
    if (mode === "d") pump(socket);
    let pending = first.length - 1;
    if (mode !== "r") return void socket.resume();
    socket.on("data", (chunk: Buffer) => {
      pending += chunk.length;
      for (; pending >= SMALL_BYTES; pending -= SMALL_BYTES) socket.write(SMALL);
    });
    for (; pending >= SMALL_BYTES; pending -= SMALL_BYTES) socket.write(SMALL);
  });
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

const elapsed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Bytes moved in `ms` over `count` connections, away from or towards the client. */
export async function bulk(port: number, mode: "u" | "d", count: number, ms: number): Promise<number> {
  const sockets = await Promise.all(Array.from({ length: count }, () => open(port, mode)));
  const bytes = (): number => sockets.reduce((sum, s) => sum + (mode === "u" ? s.bytesWritten - s.writableLength : s.bytesRead), 0);
  for (const socket of sockets) mode === "u" ? pump(socket) : socket.resume();
  await elapsed(ms);
  const moved = bytes();
  for (const socket of sockets) socket.destroy();
  return moved;
}

/** How many 1 KiB requests were answered in `ms` over `count` connections, and each one's time in ms. */
export async function requests(port: number, count: number, ms: number): Promise<{ done: number; latencies: number[] }> {
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
  await elapsed(ms);
  for (const socket of sockets) socket.destroy();
  return { done: latencies.length, latencies };
}

/** How many connections with one request each came and went in `ms`, `count` at a time. */
export async function connections(port: number, count: number, ms: number): Promise<number> {
  let done = 0;
  const until = performance.now() + ms;
  const worker = async (): Promise<void> => {
    while (performance.now() < until) {
      const socket = await open(port, "r");
      socket.write(SMALL);
      let received = 0;
      while (received < SMALL_BYTES) {
        const [chunk] = (await once(socket, "data")) as [Buffer];
        received += chunk.length;
      }
      socket.end();
      done++;
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  return done;
}
