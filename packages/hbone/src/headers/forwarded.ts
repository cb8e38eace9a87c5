// SPDX-License-Identifier: Apache-2.0
import { isIP } from "node:net";

/** The header `forwarded` of RFC 7239, as far as the mesh uses it. */
export interface Forwarded {
  /** The original client. */
  readonly for?: { readonly address: string; readonly port: number };
  /** Host name of the service that was asked for. */
  readonly host?: string;
}

// A token or a quoted string (RFC 7239 section 4) and what may follow it.
const PAIR = /^[ \t]*([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^";,\s]*))[ \t]*(?:;|$)/;
const NODE = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})$/;
const HOST = /^[0-9A-Za-z._:-]+$/;

/** `for="ip:port"`, always quoted and IPv6 in brackets, then `;host=name`. A host that is no host name is left out. */
export function formatForwarded({ for: client, host }: Forwarded): string {
  const parts: string[] = [];
  if (client) {
    const address = isIP(client.address) === 6 ? `[${client.address}]` : client.address;
    parts.push(`for="${address}:${client.port}"`);
  }
  if (host !== undefined && HOST.test(host)) parts.push(`host=${host}`);
  return parts.join(";");
}

/** Reads the first element of the header; what is malformed or unknown is left out. Never throws. */
export function parseForwarded(header: string | undefined): Forwarded {
  let rest = firstElement(header ?? "");
  let client: Forwarded["for"];
  let host: string | undefined;
  for (let pair = PAIR.exec(rest); pair !== null && rest !== ""; pair = PAIR.exec(rest)) {
    const [all, name = "", quoted, token] = pair;
    const value = quoted?.replace(/\\(.)/g, "$1") ?? token ?? "";
    if (name.toLowerCase() === "for") client ??= parseNode(value);
    if (name.toLowerCase() === "host" && HOST.test(value)) host ??= value;
    rest = rest.slice(all.length);
  }
  return { ...(client && { for: client }), ...(host !== undefined && { host }) };
}

/** Up to the first comma outside quotes. */
function firstElement(header: string): string {
  let isQuoted = false;
  for (let at = 0; at < header.length; at++) {
    const character = header[at];
    if (character === "\\" && isQuoted) at++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === "," && !isQuoted) return header.slice(0, at);
  }
  return header;
}

function parseNode(text: string): Forwarded["for"] {
  const [, v6, v4, port] = NODE.exec(text) ?? [];
  const address = v6 ?? v4;
  if (address === undefined || isIP(address) !== (v6 === undefined ? 4 : 6) || Number(port) > 65_535) return undefined;
  return { address, port: Number(port) };
}
