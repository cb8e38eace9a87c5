// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { isIP } from "node:net";
import type { RequestRecord } from "../telemetry/request-record.ts";
import type { LocalReply } from "./local-reply.ts";
import type { RequestHead } from "./head.ts";
import { normalizePath, type PathOptions } from "./normalize-path.ts";

/** What a connection manager does to requests before anybody looks at them. */
export interface RequestManners {
  readonly path: PathOptions;
  readonly maxHeaders: number;
  readonly maxHeaderOctets: number;
  readonly underscores: "allow" | "reject" | "drop";
  /** How many proxies before ours are believed what they put into `x-forwarded-for`, beside the last one. */
  readonly trustedHops: number;
  readonly generatesRequestId: boolean;
  readonly stripPort: "no" | "matching" | "any";
  readonly stripsTrailingDot: boolean;
}

/** Checks and completes a request's head; the reply says what is wrong with it. */
export function prepareRequest(record: RequestRecord, manners: RequestManners): LocalReply | undefined {
  const { request: head } = record;
  return (
    checkHead(head, manners) ?? checkUnderscores(head, manners) ?? applyPath(head, manners) ?? complete(record, manners)
  );
}

function checkHead(head: RequestHead, { maxHeaders, maxHeaderOctets }: RequestManners): LocalReply | undefined {
  if (head.protocol === "HTTP/1.0") return { status: 426, body: "", details: "low_version" };
  if (head.headers.size > maxHeaders || head.headers.octets > maxHeaderOctets) {
    return { status: 431, body: "Request Header Fields Too Large", details: "too_many_headers", isMalformed: true };
  }
  if (head.authority === "") return { status: 400, body: "", details: "missing_host_header" };
  const coding = head.headers.get("transfer-encoding");
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    return { status: 501, body: "Not Implemented", details: "http1.invalid_transfer_encoding", isMalformed: true };
  }
  if (head.path === "*" && head.method !== "OPTIONS") return malformed("http1.invalid_url");
  if (!/^[A-Za-z0-9\-._~%!$&'()*+,;=:@[\]]+$/.test(head.authority)) {
    return { status: 400, body: "", details: "http.invalid_authority" };
  }
  if (head.path === "" && head.method !== "CONNECT") return { status: 404, body: "", details: "missing_path_rejected" };
  return undefined;
}

function checkUnderscores(head: RequestHead, { underscores }: RequestManners): LocalReply | undefined {
  if (underscores === "drop") head.headers.filter((name) => !name.includes("_"));
  if (underscores === "reject" && [...head.headers].some(([name]) => name.includes("_"))) {
    return malformed("unexpected_underscore");
  }
  return undefined;
}

function malformed(details: string): LocalReply {
  return { status: 400, body: "Bad Request", details, isMalformed: true };
}

function applyPath(head: RequestHead, { path }: RequestManners): LocalReply | undefined {
  if (head.method === "CONNECT" || head.path === "*") return undefined;
  const normalized = normalizePath(head.path, path);
  if (normalized.kind === "refused") return { status: 400, body: "", details: normalized.details };
  if (normalized.kind === "redirect") {
    return { status: 307, body: "", details: "path_normalization_failed", headers: [["location", normalized.path]] };
  }
  head.path = normalized.path;
  return undefined;
}

function complete(record: RequestRecord, manners: RequestManners): undefined {
  const { request: head, connection } = record;
  const { headers } = head;
  stripHost(head, manners, connection.localPort);
  record.originalPath = head.path;
  const forwarded = headers.get("x-forwarded-for");
  record.clientAddress = trustedAddress(forwarded, manners.trustedHops) ?? connection.remoteAddress;
  // The client was told to go on, or needs not be.
  if (headers.get("expect")?.toLowerCase() === "100-continue") headers.remove("expect");
  if (!headers.has("x-forwarded-proto")) headers.set("x-forwarded-proto", connection.isEncrypted ? "https" : "http");
  if (manners.generatesRequestId && !headers.has("x-request-id")) headers.set("x-request-id", randomUUID());
  return undefined;
}

function stripHost(head: RequestHead, { stripPort, stripsTrailingDot }: RequestManners, localPort: number): void {
  const [, host = head.authority, port] = /^(.*?)(?::(\d+))?$/.exec(head.authority) ?? [];
  const isStripped = stripPort === "any" || (stripPort === "matching" && port === String(localPort));
  const name = stripsTrailingDot ? host.replace(/\.$/, "") : host;
  head.authority = port === undefined || isStripped ? name : `${name}:${port}`;
}

/** The address that so many proxies, counted from ours, vouch for. */
function trustedAddress(forwarded: string | undefined, hops: number): string | undefined {
  const addresses = forwarded?.split(",").map((address) => address.trim());
  const address = addresses?.at(-1 - hops);
  return address !== undefined && isIP(address) !== 0 ? address : undefined;
}
