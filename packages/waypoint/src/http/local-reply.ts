// SPDX-License-Identifier: Apache-2.0
import { HeaderList, type HeaderField } from "./header-list.ts";
import { isGrpc, type RequestHead, type ResponseHead } from "./head.ts";
import type { ResponseFlag } from "../telemetry/request-record.ts";

/** An answer of the proxy itself. */
export interface LocalReply {
  readonly status: number;
  readonly body: string | Buffer;
  /** Envoy's name of what happened (`%RESPONSE_CODE_DETAILS%`). */
  readonly details: string;
  readonly flag?: ResponseFlag | undefined;
  readonly headers?: readonly HeaderField[];
  /** The request is no HTTP: over HTTP/2 its stream is reset instead of an answer. */
  readonly isMalformed?: boolean;
  /** For clients that speak gRPC; otherwise made from the status. */
  readonly grpcStatus?: number;
}

/** gRPC's code for an HTTP status (its http-grpc-status-mapping document). */
const GRPC_STATUS: Readonly<Record<number, number>> = {
  400: 13,
  401: 16,
  403: 7,
  404: 12,
  429: 14,
  502: 14,
  503: 14,
  504: 14,
};
const GRPC_UNKNOWN = 2;

/** The response for a reply; clients that speak gRPC get it in their terms, in a head without a body. */
export function renderReply(
  request: RequestHead,
  reply: LocalReply,
): { readonly head: ResponseHead; readonly body: Buffer } {
  const body = Buffer.from(reply.body);
  const headers = new HeaderList();
  for (const [name, value] of reply.headers ?? []) headers.append(name, value);
  if (isGrpc(request.headers)) {
    headers.set("content-type", "application/grpc");
    headers.set("grpc-status", String(reply.grpcStatus ?? GRPC_STATUS[reply.status] ?? GRPC_UNKNOWN));
    if (body.length > 0) headers.set("grpc-message", encodeMessage(body.toString()));
    return { head: { status: 200, headers }, body: Buffer.alloc(0) };
  }
  if (body.length > 0) {
    headers.set("content-length", String(body.length));
    if (!headers.has("content-type")) headers.set("content-type", "text/plain");
  }
  return { head: { status: reply.status, headers }, body };
}

/** gRPC's percent encoding: all but printable ASCII, and the percent sign. */
function encodeMessage(text: string): string {
  return [...Buffer.from(text)]
    .map((octet) => {
      if (octet >= 0x20 && octet <= 0x7e && octet !== 0x25) return String.fromCharCode(octet);
      return `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}
