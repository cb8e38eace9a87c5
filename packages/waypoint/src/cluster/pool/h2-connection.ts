// SPDX-License-Identifier: Apache-2.0
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import type { RequestHead } from "../../http/head.ts";
import { HeaderList } from "../../http/header-list.ts";
import type { PooledConnection, PooledEvents } from "./host-pool.ts";
import {
  removeConnectionHeaders,
  type RequestShape,
  type ResetReason,
  type UpstreamEvents,
  type UpstreamRequest,
} from "./upstream.ts";

/** Limits of a connection. */
export interface H2ConnectionOptions {
  readonly maxStreams: number;
  readonly maxRequests: number;
  readonly streamWindow: number;
  readonly connectionWindow: number;
}

const MAX_HEADER_OCTETS = 60 * 1024;

/** Speaks HTTP/2 to an upstream, many requests at a time. */
export function h2Connection(socket: Duplex, events: PooledEvents, options: H2ConnectionOptions): PooledConnection {
  const session = connect("http://upstream", {
    createConnection: () => socket,
    maxHeaderListPairs: 200,
    settings: {
      enablePush: false,
      initialWindowSize: options.streamWindow,
      maxHeaderListSize: MAX_HEADER_OCTETS,
    },
  });
  let active = 0;
  let isDraining = false;
  let sent = 0;
  const freed = (): void => {
    active--;
    if (isDraining && active === 0) session.close();
    else events.onRoom();
  };
  const drain = (): void => {
    isDraining = true;
    if (active === 0) session.close();
  };
  session.once("connect", () => session.setLocalWindowSize(options.connectionWindow));
  session.on("error", () => session.destroy());
  socket.on("error", () => session.destroy());
  // The peer takes nothing new; what is under way goes on.
  session.on("goaway", drain);
  session.once("close", () => {
    isDraining = true;
    socket.destroy();
    events.onClosed();
  });
  return {
    get room() {
      if (isDraining || session.closed || session.destroyed) return 0;
      const allowed = Math.min(options.maxStreams, session.remoteSettings?.maxConcurrentStreams ?? options.maxStreams);
      return allowed - active;
    },
    reserve: () => {
      active++;
    },
    release: freed,
    drain,
    destroy: () => session.destroy(),
    send: (head, shape, listener) => {
      if (++sent >= options.maxRequests) isDraining = true;
      return sendH2(session, { head, shape, events: listener }, freed);
    },
  };
}

interface Sent {
  readonly head: RequestHead;
  readonly shape: RequestShape;
  readonly events: UpstreamEvents;
}

function sendH2(session: ClientHttp2Session, { head, shape, events }: Sent, freed: () => void): UpstreamRequest {
  const headers = head.headers.clone();
  removeConnectionHeaders(headers);
  const stream = session.request(
    {
      ":method": head.method,
      ":path": head.path,
      ":authority": head.authority,
      ":scheme": head.scheme,
      ...headers.toObject(),
    },
    { endStream: !shape.hasBody, waitForTrailers: shape.hasBody },
  );
  let isOver = false;
  let trailersOut: HeaderList | undefined;
  stream.on("wantTrailers", () => stream.sendTrailers(trailersOut?.toObject() ?? {}));
  stream.on("headers", (_headers, _flags, raw) => {
    if (isOver) return;
    events.onInformational(statusOf(raw), HeaderList.fromRaw(raw));
  });
  let trailersIn: HeaderList | undefined;
  stream.on("trailers", (_headers, _flags, raw) => {
    trailersIn = HeaderList.fromRaw(raw ?? []);
  });
  stream.on("response", (_headers, _flags, raw) => {
    if (isOver) return;
    isOver = true;
    const response = { status: statusOf(raw), headers: HeaderList.fromRaw(raw) };
    events.onResponse({
      head: response,
      body: stream,
      trailers: () => trailersIn,
      breakReason: () => reasonOf(stream, session),
    });
  });
  stream.on("error", () => stream.destroy());
  stream.once("close", () => {
    freed();
    if (isOver) return;
    isOver = true;
    events.onReset(reasonOf(stream, session), stream.rstCode !== constants.NGHTTP2_REFUSED_STREAM);
  });
  return {
    sink: stream,
    finish: (trailers) => {
      trailersOut = trailers;
      if (shape.hasBody) stream.end();
    },
    cancel: () => {
      isOver = true;
      stream.close(constants.NGHTTP2_CANCEL);
    },
  };
}

function statusOf(raw: readonly string[]): number {
  const at = raw.indexOf(":status");
  return Number(raw[at + 1] ?? 0);
}

function reasonOf(stream: ClientHttp2Stream, session: ClientHttp2Session): ResetReason {
  if (stream.rstCode === constants.NGHTTP2_REFUSED_STREAM) return "remote refused stream reset";
  if (session.destroyed || session.closed) return "connection termination";
  return stream.rstCode === constants.NGHTTP2_PROTOCOL_ERROR ? "protocol error" : "remote reset";
}
