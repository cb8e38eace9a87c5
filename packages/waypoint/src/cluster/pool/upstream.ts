// SPDX-License-Identifier: Apache-2.0
import type { Duplex, Readable, Writable } from "node:stream";
import type { RequestHead, ResponseHead } from "../../http/head.ts";
import type { HeaderList } from "../../http/header-list.ts";

/** How a request at an upstream ended without an answer, or in the midst of one. */
export type ResetReason = "connection termination" | "remote reset" | "remote refused stream reset" | "protocol error";

/** The answer of an upstream. */
export interface UpstreamResponse {
  readonly head: ResponseHead;
  /** Errors when the answer breaks off. */
  readonly body: Readable;
  /** How the answer broke off, for a body with an error. */
  readonly breakReason: () => ResetReason;
  /** There once the body has ended. */
  readonly trailers: () => HeaderList | undefined;
}

/** Hears of what an upstream does with a request. After a failure or `cancel` nothing more comes. */
export interface UpstreamEvents {
  readonly onInformational: (status: number, headers: HeaderList) => void;
  readonly onResponse: (response: UpstreamResponse) => void;
  /** The upstream agreed to speak something else on the connection. */
  readonly onUpgrade: (head: ResponseHead, socket: Duplex) => void;
  /** `wasSent`: the upstream may have seen the request. */
  readonly onReset: (reason: ResetReason, wasSent: boolean) => void;
}

/** A request that is under way at an upstream. */
export interface UpstreamRequest {
  /** Takes the body; ended by {@link finish} only. */
  readonly sink: Writable;
  readonly finish: (trailers: HeaderList | undefined) => void;
  /** Gives up; the upstream hears of it. */
  readonly cancel: () => void;
}

/** How a request is framed. */
export interface RequestShape {
  readonly hasBody: boolean;
}

/** A connection to an upstream with room for a request. */
export interface UpstreamConnection {
  /** Sends a request on what was reserved for it. */
  send(head: RequestHead, shape: RequestShape, events: UpstreamEvents): UpstreamRequest;
  /** Gives back what was reserved without a request. */
  release(): void;
}

/** Headers that are about one connection and never passed on (RFC 9110 section 7.6.1). */
const CONNECTION_HEADERS = new Set(["connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"]);

/** Removes what is about one connection only from a response; what `connection` names stays, as in Envoy. */
export function removeResponseConnectionHeaders(headers: HeaderList): void {
  headers.filter((name) => !CONNECTION_HEADERS.has(name));
}

/** Removes what is about one connection only, also what `connection` names; `te` stays if it says trailers. */
export function removeConnectionHeaders(headers: HeaderList): void {
  const named = new Set((headers.get("connection") ?? "").split(",").map((name) => name.trim().toLowerCase()));
  headers.filter((name, value) => {
    if (CONNECTION_HEADERS.has(name)) return false;
    return name === "te" ? value.toLowerCase().includes("trailers") : !named.has(name);
  });
}
