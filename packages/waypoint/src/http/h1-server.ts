// SPDX-License-Identifier: Apache-2.0
import { createServer, ServerResponse, type IncomingMessage, type Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Downstream } from "./downstream.ts";
import type { Protocol, RequestHead, ResponseHead } from "./head.ts";
import { HeaderList, type HeaderField } from "./header-list.ts";

/** What a server is made with. */
export interface H1ServerOptions {
  readonly maxHeaderOctets: number;
  /** Idle time between requests; undefined: for ever. */
  readonly idleTimeoutMs: number | undefined;
  /** What all responses have. */
  readonly refusalHeaders: () => readonly HeaderField[];
  readonly onRequest: (downstream: Downstream, connection: Duplex) => void;
}

/** How long a client may take for the head of a request. */
const HEAD_MS = 60_000;
/** Codes of node:http for heads that are too large. */
const TOO_LARGE = new Set(["HPE_HEADER_OVERFLOW", "HPE_CHUNK_EXTENSIONS_OVERFLOW"]);
/** Upgrades that are not looked at: HTTP/2 over plain text is spoken with prior knowledge only. */
const IGNORED_UPGRADES = new Set(["h2c"]);

/**
 * HTTP/1.1 of a connection manager; connections are handed to it by `emit("connection", socket)`. The parser is node:http's
 * in its strict mode: a message with two lengths, or with length and chunks, or with anything odd in its head, ends the
 * connection with 400, so that no two programs can disagree on where a request ends.
 */
export function createH1Server({ maxHeaderOctets, idleTimeoutMs, refusalHeaders, onRequest }: H1ServerOptions): Server {
  const server = createServer({
    maxHeaderSize: maxHeaderOctets,
    insecureHTTPParser: false,
    keepAliveTimeout: idleTimeoutMs ?? 0,
    requestTimeout: 0,
    headersTimeout: HEAD_MS,
    connectionsCheckingInterval: 10_000,
    requireHostHeader: false,
    noDelay: true,
    shouldUpgradeCallback: ({ headers }) => !IGNORED_UPGRADES.has(headers.upgrade?.toLowerCase() ?? ""),
  });
  // Nothing may be left out of a head without a word; their octets are limited, and the manager counts them.
  server.maxHeadersCount = 0;
  const answering = new WeakMap<Duplex, Set<IncomingMessage>>();
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    const requests = answering.get(request.socket) ?? new Set();
    answering.set(request.socket, requests.add(request));
    response.once("close", () => requests.delete(request));
    onRequest(h1Downstream(request, response), request.socket);
  };
  server.on("request", take);
  // As in Envoy, the client is told to go on at once, and upstreams see no `expect`.
  server.on("checkContinue", (request, response) => {
    response.writeContinue();
    take(request, response);
  });
  server.on("checkExpectation", take);
  const detached = (request: IncomingMessage, socket: Duplex, rest: Buffer): void => {
    if (rest.length > 0) socket.unshift(rest);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Parameters<ServerResponse["assignSocket"]>[0]);
    onRequest(h1Downstream(request, response, socket), socket);
  };
  server.on("upgrade", detached);
  server.on("connect", detached);
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Requests that were right before the wrong one still get their answers.
    const finish = (): void => {
      const isWaiting = [...(answering.get(socket) ?? [])].some(({ complete }) => complete);
      if (!isWaiting || socket.destroyed) refuse(error, socket, refusalHeaders());
      else setImmediate(finish);
    };
    finish();
  });
  return server;
}

function refuse({ code }: NodeJS.ErrnoException, socket: Duplex, headers: readonly HeaderField[]): void {
  if (!socket.writable || code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status = TOO_LARGE.has(code ?? "") ? "431 Request Header Fields Too Large" : "400 Bad Request";
  const body = status.slice(4);
  const own: readonly HeaderField[] = [
    ["content-length", String(body.length)],
    ["content-type", "text/plain"],
    ["connection", "close"],
  ];
  const lines = [...own, ...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join("")}\r\n${body}`, () => socket.destroy());
}

function h1Downstream(request: IncomingMessage, response: ServerResponse, raw?: Duplex): Downstream {
  response.sendDate = false;
  // A request that breaks off shows in the close of its response too.
  request.on("error", () => request.destroy());
  const isBodyExpected = hasBody(request);
  const isComplete = (): boolean => !isBodyExpected || request.complete;
  return {
    head: requestHead(request, raw !== undefined),
    body: request,
    hasBody: isBodyExpected,
    get isComplete() {
      return isComplete();
    },
    trailers: () => undefined,
    sendInformational: (status, headers) => {
      if (status === 103) response.writeEarlyHints(headers.toObject());
      else response.writeProcessing();
    },
    sendHead: (head, hasResponseBody) => {
      const { headers } = head;
      // An answer before the end of the request leaves octets behind that nobody reads as a request.
      if (!isComplete() && raw === undefined) headers.set("connection", "close");
      for (const [name, value] of Object.entries(headers.toObject())) response.setHeader(name, value);
      // Connections stay open anyway in HTTP/1.1; node:http would say so in two headers.
      if (!headers.has("connection") && response.shouldKeepAlive) response.removeHeader("connection");
      if (!hasResponseBody && allowsLength(request, head.status)) response.setHeader("content-length", 0);
      // The length that the body would have is not known.
      if (request.method === "HEAD" && !headers.has("content-length")) {
        response.setHeader("transfer-encoding", "chunked");
      }
      response.writeHead(head.status);
      // A body that is on its way already shares a packet with the head; otherwise the head goes alone.
      setImmediate(() => {
        if (!response.destroyed) response.flushHeaders();
      });
      return response;
    },
    // Trailers of HTTP/1 are not passed on, in neither direction, as in Envoy: few programs expect them.
    finish: () => {
      response.end();
      // A connection that was taken from the server has nobody else to close it.
      if (raw) response.once("finish", () => raw.end());
    },
    takeOver: (head) => {
      const socket = raw ?? request.socket;
      response.detachSocket(socket as Parameters<ServerResponse["detachSocket"]>[0]);
      socket.write(switchingHead(head));
      return socket;
    },
    reset: () => request.socket.destroy(),
    onClose: (listener) => {
      let isHeard = false;
      const hear = (isComplete: boolean): void => {
        if (!isHeard) listener(isComplete);
        isHeard = true;
      };
      response.once("close", () => hear(response.writableFinished));
      // A response whose connection was taken over never closes.
      raw?.once("close", () => hear(true));
    },
  };
}

/** An empty response says so, unless it is one that never has a body (RFC 9110 section 8.6). */
function allowsLength({ method }: IncomingMessage, status: number): boolean {
  return method !== "HEAD" && status >= 200 && status !== 204 && status !== 304;
}

function switchingHead({ headers }: ResponseHead): string {
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

const ABSOLUTE = /^(https?):\/\/([^/?#]*)([^#]*)/i;

/** The head with authority and path apart, also for requests in absolute form (RFC 9112 section 3.2.2). */
function requestHead(request: IncomingMessage, isDetached: boolean): RequestHead {
  const headers = HeaderList.fromRaw(request.rawHeaders);
  const hosts = [...headers].filter(([name]) => name === "host");
  headers.remove("host");
  const { method = "GET", url = "/", httpVersion } = request;
  const protocol: Protocol = httpVersion === "1.1" ? "HTTP/1.1" : "HTTP/1.0";
  const upgrade = isDetached ? request.headers.upgrade?.toLowerCase() : undefined;
  const absolute = method === "CONNECT" ? null : ABSOLUTE.exec(url);
  const own = "encrypted" in request.socket ? "https" : "http";
  const [, scheme = own, host = "", rest = ""] = absolute ?? [];
  // Two hosts are as good as none: nobody can tell which one counts.
  const authority = absolute ? host : hosts.length === 1 ? (hosts[0]?.[1] ?? "") : "";
  const path = absolute ? (rest.startsWith("/") ? rest : `/${rest}`) : url;
  return {
    method,
    path: method === "CONNECT" ? "" : path,
    authority: method === "CONNECT" ? url : authority,
    scheme: scheme.toLowerCase(),
    protocol,
    headers,
    ...(upgrade !== undefined && { upgrade }),
  };
}
