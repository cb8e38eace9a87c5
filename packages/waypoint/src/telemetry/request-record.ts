// SPDX-License-Identifier: Apache-2.0
import type { RequestHead, ResponseHead } from "../http/head.ts";

/** Envoy's short names of what became of a request (`%RESPONSE_FLAGS%`). */
export type ResponseFlag =
  | "UH"
  | "UF"
  | "UO"
  | "NR"
  | "NC"
  | "UT"
  | "URX"
  | "UC"
  | "UR"
  | "UPE"
  | "DC"
  | "DI"
  | "FI"
  | "SI"
  | "DT"
  | "UMSDR"
  | "DPE";

/** Where a connection comes from and whom it belongs to. */
export interface ConnectionFacts {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** The client's connection is encrypted. */
  readonly isEncrypted: boolean;
  /** Names that the client proved by a certificate, URIs if it has any, else DNS names; undefined without a certificate. */
  readonly principals: readonly string[] | undefined;
}

/** All that is known of a request, filled in on its way; logs, metrics and header formats read it. */
export interface RequestRecord {
  readonly connection: ConnectionFacts;
  readonly startMs: number;
  readonly startMonotonicMs: number;
  /** The client's address as the connection manager understood it. */
  clientAddress: string;
  request: RequestHead;
  response: ResponseHead | undefined;
  /** Path as it came after normalisation, before rewrites. */
  originalPath: string;
  routeName: string;
  cluster: string;
  upstreamHost: string;
  readonly flags: Set<ResponseFlag>;
  details: string;
  upstreamFailure: string;
  bytesReceived: number;
  bytesSent: number;
  attempts: number;
  grpcStatus: string | undefined;
  upstreamServiceMs: number | undefined;
  durationMs: number;
}

/** A record at the start of a request. */
export function newRecord(
  connection: ConnectionFacts,
  request: RequestHead,
  now: { readonly ms: number; readonly monotonicMs: number },
): RequestRecord {
  return {
    connection,
    startMs: now.ms,
    startMonotonicMs: now.monotonicMs,
    clientAddress: connection.remoteAddress,
    request,
    response: undefined,
    originalPath: request.path,
    routeName: "",
    cluster: "",
    upstreamHost: "",
    flags: new Set(),
    details: "",
    upstreamFailure: "",
    bytesReceived: 0,
    bytesSent: 0,
    attempts: 0,
    grpcStatus: undefined,
    upstreamServiceMs: undefined,
    durationMs: 0,
  };
}
