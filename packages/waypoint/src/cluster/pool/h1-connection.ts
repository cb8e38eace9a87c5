// SPDX-License-Identifier: Apache-2.0
import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { RequestHead, ResponseHead } from "../../http/head.ts";
import { HeaderList } from "../../http/header-list.ts";
import type { PooledConnection, PooledEvents } from "./host-pool.ts";
import {
  removeConnectionHeaders,
  removeResponseConnectionHeaders,
  type RequestShape,
  type ResetReason,
  type UpstreamEvents,
  type UpstreamRequest,
  type UpstreamResponse,
} from "./upstream.ts";

/** Largest head of a response, in octets (Envoy's 60 KiB). */
const MAX_HEADER_OCTETS = 60 * 1024;
/** Methods whose requests do not say `content-length: 0` when they have no body. */
const METHODS_WITHOUT_BODY = new Set(["GET", "HEAD", "DELETE", "TRACE", "CONNECT"]);

/** node:http's parser and framing on one socket that is ours. */
class OneSocketAgent extends Agent {
  readonly #socket: Duplex;
  readonly #onIdle: () => void;

  constructor(socket: Duplex, onIdle: () => void) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#socket = socket;
    this.#onIdle = onIdle;
  }

  override createConnection(): Duplex {
    return this.#socket;
  }

  override keepSocketAlive(socket: Duplex): boolean {
    // The declaration knows no result; node:http goes by it.
    const isKept = (super.keepSocketAlive(socket) as unknown) !== false;
    if (isKept) queueMicrotask(this.#onIdle);
    return isKept;
  }
}

/** Speaks HTTP/1.1 to an upstream, one request at a time. */
export function h1Connection(socket: Duplex, events: PooledEvents, maxRequests: number): PooledConnection {
  let isBusy = false;
  let isDraining = false;
  let sent = 0;
  const idle = (): void => {
    isBusy = false;
    if (isDraining || sent >= maxRequests) socket.destroy();
    else events.onRoom();
  };
  const agent = new OneSocketAgent(socket, idle);
  socket.on("error", () => socket.destroy());
  socket.once("close", () => {
    agent.destroy();
    events.onClosed();
  });
  const drain = (): void => {
    isDraining = true;
    if (!isBusy) socket.destroy();
  };
  return {
    get room() {
      return isBusy || isDraining || socket.destroyed || !socket.writable ? 0 : 1;
    },
    reserve: () => {
      isBusy = true;
    },
    release: idle,
    drain,
    destroy: () => socket.destroy(),
    send: (head, shape, listener) => {
      sent++;
      return sendH1(agent, head, shape, listener);
    },
  };
}

function sendH1(agent: Agent, head: RequestHead, { hasBody }: RequestShape, events: UpstreamEvents): UpstreamRequest {
  const request = httpRequest({
    agent,
    method: head.method,
    path: head.path,
    setHost: false,
    maxHeaderSize: MAX_HEADER_OCTETS,
  });
  writeHeaders(request, head, hasBody);
  let isOver = false;
  const once = (action: () => void): void => {
    if (isOver) return;
    isOver = true;
    action();
  };
  request.on("information", ({ statusCode, rawHeaders }) => {
    if (!isOver) events.onInformational(statusCode, HeaderList.fromRaw(rawHeaders));
  });
  request.on("response", (response) => once(() => events.onResponse(upstreamResponse(response))));
  request.on("upgrade", (response, socket, rest) => {
    if (rest.length > 0) socket.unshift(rest);
    once(() => events.onUpgrade(responseHead(response), socket));
  });
  request.on("error", (error: NodeJS.ErrnoException) => once(() => events.onReset(reasonOf(error), true)));
  // Without a body the head goes out now; with one it must not wait for the first piece either.
  if (hasBody) request.flushHeaders();
  return {
    sink: request,
    finish: () => void request.end(),
    cancel: () => {
      isOver = true;
      request.destroy();
    },
  };
}

function writeHeaders(request: ClientRequest, head: RequestHead, hasBody: boolean): void {
  request.setHeader("host", head.authority);
  const headers = head.headers.clone();
  const isTrailersWanted = headers.get("te")?.toLowerCase().includes("trailers") ?? false;
  removeConnectionHeaders(headers);
  if (isTrailersWanted) headers.set("te", "trailers");
  for (const [name, value] of Object.entries(headers.toObject())) request.setHeader(name, value);
  if (head.upgrade !== undefined) {
    request.setHeader("connection", "upgrade");
    request.setHeader("upgrade", head.upgrade);
    return;
  }
  request.removeHeader("connection");
  if (hasBody && !headers.has("content-length")) request.setHeader("transfer-encoding", "chunked");
  if (!hasBody && !METHODS_WITHOUT_BODY.has(head.method)) request.setHeader("content-length", "0");
}

function responseHead({ statusCode = 0, rawHeaders }: IncomingMessage): ResponseHead {
  return { status: statusCode, headers: HeaderList.fromRaw(rawHeaders) };
}

function upstreamResponse(response: IncomingMessage): UpstreamResponse {
  const head = responseHead(response);
  removeResponseConnectionHeaders(head.headers);
  // Trailers of HTTP/1 are not passed on, as in Envoy.
  return { head, body: response, trailers: () => undefined, breakReason: () => "protocol error" };
}

function reasonOf(error: NodeJS.ErrnoException): ResetReason {
  return error.code?.startsWith("HPE_") ? "protocol error" : "connection termination";
}
