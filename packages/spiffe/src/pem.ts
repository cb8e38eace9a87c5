// SPDX-License-Identifier: Apache-2.0
import { spiffeErrors } from "./errors.ts";

/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  /** "CERTIFICATE", "PRIVATE KEY" ... */
  readonly label: string;
  readonly der: Buffer;
}

/** Enough for a bundle of hundreds of roots; a ConfigMap can't be larger. */
const MAX_PEM_BYTES = 1024 * 1024;
const BEGIN = /^-----BEGIN ([A-Z0-9 ]{1,64})-----$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const LINE = 64;

/**
 * The blocks of a text in their order. What stands between blocks (names, comments) is skipped; what stands inside must be base64.
 * @throws MeshError PEM_INVALID for a block that is open, empty, closed by another label or not base64, and for too large a text.
 */
export function parsePem(text: string, options: { readonly what: string; readonly maxBytes?: number }): PemBlock[] {
  const { what, maxBytes = MAX_PEM_BYTES } = options;
  const invalid = (problem: string): Error => spiffeErrors.create("PEM_INVALID", `${what} is not PEM: ${problem}`);
  if (text.length > maxBytes) throw invalid(`it is larger than ${maxBytes} bytes`);
  const blocks: PemBlock[] = [];
  let open: { label: string; lines: string[] } | undefined;
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    const label = BEGIN.exec(line)?.[1];
    if (open === undefined) {
      if (label !== undefined) open = { label, lines: [] };
    } else if (line === `-----END ${open.label}-----`) {
      blocks.push({ label: open.label, der: decode(open.lines.join(""), open.label, invalid) });
      open = undefined;
    } else if (line.startsWith("-----")) {
      throw invalid(`the block ${open.label} is not closed before ${JSON.stringify(line.slice(0, 80))}`);
    } else {
      open.lines.push(line);
    }
  }
  if (open !== undefined) throw invalid(`the block ${open.label} is not closed`);
  return blocks;
}

function decode(base64: string, label: string, invalid: (problem: string) => Error): Buffer {
  if (!BASE64.test(base64) || base64.length % 4 !== 0) throw invalid(`the block ${label} is empty or not base64`);
  return Buffer.from(base64, "base64");
}

/** A PEM block that ends in a newline, so that texts can be joined. */
export function formatPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString("base64");
  const lines: string[] = [];
  for (let at = 0; at < base64.length; at += LINE) lines.push(base64.slice(at, at + LINE));
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
