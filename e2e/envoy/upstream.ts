// SPDX-License-Identifier: Apache-2.0
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createH2Server, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo } from "node:net";
import { once } from "node:events";

/** How the app is told to answer, in the header `x-answer`. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The first so many requests of a case are answered with `failStatus`, or broken off if that is 0. */
  readonly fail?: number;
  readonly failStatus?: number;
  readonly delayMs?: number;
  /** Breaks off after the head and some of the body. */
  readonly breaksOff?: boolean;
  readonly trailers?: Readonly<Record<string, string>>;
}

/** A request as the app saw it. */
export interface Seen {
  readonly app: string;
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** An app for both engines: it remembers requests by case and engine, and answers as it is told. */
export class Upstream implements AsyncDisposable {
  readonly port: number;
  readonly #seen: Map<string, Seen[]>;
  readonly #close: () => Promise<void>;

  constructor(port: number, seen: Map<string, Seen[]>, close: () => Promise<void>) {
    this.port = port;
    this.#seen = seen;
    this.#close = close;
  }

  seen(key: string): readonly Seen[] {
    return this.#seen.get(key) ?? [];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

/** Starts an app on a port of its own. */
export async function startUpstream(name: string, protocol: "http1" | "http2"): Promise<Upstream> {
  const seen = new Map<string, Seen[]>();
  // A request that breaks off has nobody to answer.
  const handle = (request: Request, response: Response): void =>
    void answer(name, seen, request, response).catch(() => response.destroy());
  const server = protocol === "http1" ? createServer(handle) : createH2Server(handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets = new Set<{ destroy(): void }>();
  server.on("connection", (socket: { destroy(): void; once(event: "close", listener: () => void): void }) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return new Upstream((server.address() as AddressInfo).port, seen, async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await Promise.resolve();
  });
}

async function answer(app: string, seen: Map<string, Seen[]>, request: Request, response: Response): Promise<void> {
  const chunks: Buffer[] = [];
  request.on("error", () => response.destroy());
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const key = String(request.headers["x-case"] ?? "");
  const before = seen.get(key) ?? [];
  const body = Buffer.concat(chunks).toString();
  const now: Seen = { app, method: request.method ?? "", url: request.url ?? "", headers: request.headers, body };
  seen.set(key, [...before, now]);
  const wanted = JSON.parse(String(request.headers["x-answer"] ?? "{}")) as Answer;
  if (wanted.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, wanted.delayMs));
  const isFailing = before.length < (wanted.fail ?? 0);
  if (isFailing && wanted.failStatus === 0) return void request.socket.destroy();
  const status = isFailing ? (wanted.failStatus ?? 503) : (wanted.status ?? 200);
  // Both kinds of responses have these methods; their declarations have no common type that can be called.
  const plain = response as ServerResponse;
  plain.writeHead(status, { "content-type": "text/plain", ...wanted.headers });
  if (wanted.breaksOff) {
    plain.write("begun");
    return void setTimeout(() => request.socket.destroy(), 50);
  }
  if (wanted.trailers) plain.addTrailers(wanted.trailers);
  plain.end(wanted.body ?? `from ${app}`);
}
