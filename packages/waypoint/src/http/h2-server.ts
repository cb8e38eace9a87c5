// SPDX-License-Identifier: Apache-2.0
import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import type { Downstream } from "./downstream.ts";
import type { RequestHead } from "./head.ts";
import { HeaderList } from "./header-list.ts";

/** What sessions are made with. */
export interface H2ServerOptions {
  readonly maxHeaderOctets: number;
  readonly maxHeaders: number;
  readonly maxConcurrentStreams: number;
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly idleTimeoutMs: number | undefined;
}

/** nghttp2's flag of a frame that ends its stream. */
const END_STREAM = 1;

/** Speaks HTTP/2 on a connection until either side ends it. */
export function serveH2(
  socket: Duplex,
  options: H2ServerOptions,
  onRequest: (downstream: Downstream, connection: Duplex) => void,
): ServerHttp2Session {
  const session = performServerHandshake(socket, {
    maxHeaderListPairs: options.maxHeaders + 8,
    maxSendHeaderBlockLength: options.maxHeaderOctets,
    settings: {
      maxConcurrentStreams: options.maxConcurrentStreams,
      initialWindowSize: options.streamWindow,
      maxHeaderListSize: options.maxHeaderOctets,
      enableConnectProtocol: false,
    },
  });
  session.setLocalWindowSize(options.connectionWindow);
  // Errors end the session; its streams hear of that by their own events.
  session.on("error", () => session.destroy());
  session.on("stream", (stream: ServerHttp2Stream, _headers: IncomingHttpHeaders, flags: number, raw?: string[]) => {
    onRequest(h2Downstream(stream, flags, raw ?? []), socket);
  });
  if (options.idleTimeoutMs !== undefined) session.setTimeout(options.idleTimeoutMs, () => session.close());
  return session;
}

function h2Downstream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): Downstream {
  let trailersIn: HeaderList | undefined;
  let trailersOut: HeaderList | undefined;
  stream.on("trailers", (_headers: IncomingHttpHeaders, _flags: number, rawTrailers?: string[]) => {
    trailersIn = HeaderList.fromRaw(rawTrailers ?? []);
  });
  stream.on("wantTrailers", () => stream.sendTrailers(trailersOut?.toObject() ?? {}));
  stream.on("error", () => stream.destroy());
  const hasBody = (flags & END_STREAM) === 0;
  let isAnswered = false;
  const head = requestHead(raw);
  if (head.headers.get("expect")?.toLowerCase() === "100-continue") stream.additionalHeaders({ ":status": 100 });
  return {
    head,
    body: stream,
    hasBody,
    get isComplete() {
      return !hasBody || stream.readableEnded;
    },
    trailers: () => trailersIn,
    sendInformational: (status, headers) => {
      if (!stream.destroyed) stream.additionalHeaders({ ":status": status, ...headers.toObject() });
    },
    sendHead: ({ status, headers }, hasResponseBody) => {
      const endStream = !hasResponseBody;
      if (!stream.destroyed)
        stream.respond({ ":status": status, ...headers.toObject() }, { endStream, waitForTrailers: !endStream });
      isAnswered = endStream;
      return stream;
    },
    finish: (trailers) => {
      trailersOut = trailers;
      isAnswered = true;
      stream.end();
      // The rest of a request that was answered is of no interest (RFC 9113 section 8.1).
      const dismiss = (): void => {
        stream.close(constants.NGHTTP2_NO_ERROR);
        stream.resume();
      };
      if (hasBody && !stream.readableEnded) {
        if (stream.writableFinished) dismiss();
        else stream.once("finish", dismiss);
      }
    },
    takeOver: () => {
      throw new TypeError("HTTP/2 has no upgrades");
    },
    reset: () => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    onClose: (listener) =>
      stream.once("close", () => listener(isAnswered && stream.rstCode === constants.NGHTTP2_NO_ERROR)),
  };
}

function requestHead(raw: readonly string[]): RequestHead {
  const pseudo = new Map<string, string>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? "";
    if (name.startsWith(":")) pseudo.set(name, raw[at + 1] ?? "");
  }
  const headers = HeaderList.fromRaw(raw);
  const host = headers.get("host");
  headers.remove("host");
  joinCookies(headers);
  return {
    method: pseudo.get(":method") ?? "GET",
    path: pseudo.get(":path") ?? "",
    authority: pseudo.get(":authority") ?? host ?? "",
    scheme: pseudo.get(":scheme") ?? "http",
    protocol: "HTTP/2",
    headers,
  };
}

/** HTTP/2 may cut the cookie header into pieces; everybody else wants it whole (RFC 9113 section 8.2.3). */
function joinCookies(headers: HeaderList): void {
  const cookies = [...headers].filter(([name]) => name === "cookie").map(([, value]) => value);
  if (cookies.length > 1) headers.set("cookie", cookies.join("; "));
}
