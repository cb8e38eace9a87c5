// SPDX-License-Identifier: Apache-2.0
import { hboneErrors } from "../errors.ts";
import type { HeaderField } from "./hpack/static-table.ts";

/** Header fields by lower-case name; repeated fields are joined with ", " (RFC 9110 section 5.3). */
export type Headers = Readonly<Record<string, string>>;

/** A well-formed request. */
export interface RequestHead {
  readonly method: string;
  /** Empty when a request that is no CONNECT has none. */
  readonly authority: string;
  readonly headers: Headers;
}

/** A well-formed response. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
}

/** Why a header list is malformed (RFC 9113 section 8.1.1), for logs. */
export interface Malformed {
  readonly malformed: string;
}

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// oxlint-disable-next-line no-control-regex -- these three are what RFC 9113 section 8.2.1 forbids
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;
const AUTHORITY = /^[\x21-\x7e]+$/;
/** Fields of HTTP/1 connections (RFC 9113 section 8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

interface SplitFields {
  readonly pseudo: Headers;
  readonly headers: Headers;
}

/** Checks a request's fields as RFC 9113 sections 8.3.1 and 8.5 demand. Extended CONNECT is malformed: it is not offered. */
export function parseRequest(fields: readonly HeaderField[]): RequestHead | Malformed {
  const split = splitFields(fields, [":method", ":authority", ":scheme", ":path"]);
  if ("malformed" in split) return split;
  const { pseudo, headers } = split;
  const method = pseudo[":method"];
  const authority = pseudo[":authority"] ?? "";
  if (method === undefined || !METHOD.test(method)) return { malformed: "the request has no proper :method" };
  const hasTarget = pseudo[":scheme"] !== undefined && (pseudo[":path"] ?? "") !== "";
  if (method === "CONNECT") {
    if (pseudo[":scheme"] !== undefined || pseudo[":path"] !== undefined) {
      return { malformed: "CONNECT carries :scheme or :path" };
    }
    if (!AUTHORITY.test(authority)) return { malformed: "CONNECT has no proper :authority" };
  } else if (!hasTarget) return { malformed: `${method} lacks :scheme or :path` };
  return { method, authority, headers };
}

/** Checks a response's fields as RFC 9113 section 8.3.2 demands. */
export function parseResponse(fields: readonly HeaderField[]): ResponseHead | Malformed {
  const split = splitFields(fields, [":status"]);
  if ("malformed" in split) return split;
  const status = split.pseudo[":status"] ?? "";
  if (!/^[1-5]\d\d$/.test(status) || status === "101") return { malformed: `the response has the :status "${status}"` };
  return { status: Number(status), headers: split.headers };
}

/**
 * The fields to send for headers given by a caller.
 * @throws MeshError HBONE_HEADER_INVALID when a name or a value can't be sent.
 */
export function toFields(pseudo: readonly HeaderField[], headers: Headers = {}): HeaderField[] {
  const fields: HeaderField[] = [...pseudo];
  for (const [key, value] of Object.entries(headers)) {
    const name = key.toLowerCase();
    const problem = fieldProblem(name, value) ?? (isLatin1(value) ? undefined : "has characters beyond latin1");
    if (problem !== undefined) {
      throw hboneErrors.create("HBONE_HEADER_INVALID", `the header "${key}" ${problem}`, { details: { name: key } });
    }
    fields.push([name, value]);
  }
  return fields;
}

/** @throws MeshError HBONE_HEADER_INVALID when the text can't be the :authority of a CONNECT. */
export function checkAuthority(authority: string): void {
  if (AUTHORITY.test(authority)) return;
  throw hboneErrors.create("HBONE_HEADER_INVALID", `"${authority}" is no authority; give it as host:port`);
}

function splitFields(fields: readonly HeaderField[], allowed: readonly string[]): SplitFields | Malformed {
  const pseudo: Record<string, string> = Object.create(null) as Record<string, string>;
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  let isPseudoOver = false;
  for (const [name, value] of fields) {
    if (name.startsWith(":")) {
      if (isPseudoOver) return { malformed: `${name} comes after ordinary fields` };
      if (!allowed.includes(name) || pseudo[name] !== undefined)
        return { malformed: `${name} is repeated or not allowed` };
      if (BAD_VALUE.test(value)) return { malformed: `${name} has a value that is not allowed` };
      pseudo[name] = value;
      continue;
    }
    isPseudoOver = true;
    const problem = fieldProblem(name, value);
    if (problem !== undefined) return { malformed: `a header ${problem}` };
    const earlier = headers[name];
    headers[name] = earlier === undefined ? value : `${earlier}, ${value}`;
  }
  return { pseudo, headers };
}

function fieldProblem(name: string, value: string): string | undefined {
  if (!NAME.test(name)) return "has a name that is not allowed";
  if (BAD_VALUE.test(value)) return "has a value with a line break, a NUL or blanks around it";
  if (CONNECTION_FIELDS.has(name)) return "belongs to HTTP/1 connections";
  if (name === "te" && value !== "trailers") return "is te with a value other than trailers";
  return undefined;
}

function isLatin1(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0xff) return false;
  return true;
}
