// SPDX-License-Identifier: Apache-2.0
import { H2Code } from "../constants.ts";
import { ConnectionFault } from "../connection-fault.ts";
import { CODE_LENGTHS, CODES, END_OF_STRING } from "./huffman-code.ts";

const BAD_END = "a Huffman-coded header string is padded with anything but fewer than 8 one bits";

// One step eats four bits: at most one symbol ends in them, as no code is shorter than five.
const EMITS = 0x100;
const FAILS = 0x200;
const SYMBOL_SHIFT = 10;

/** For each inner node of the code tree and each nibble: the next node, EMITS and the symbol, or FAILS. */
const steps = new Uint32Array(256 * 16);
/** Nodes where a string may end: the root and those fewer than 8 one bits below it. */
const mayEndAt = new Uint8Array(256);
buildSteps();

function buildSteps(): void {
  const children = codeTree();
  for (let entry = 0; entry < steps.length; entry++) steps[entry] = stepFrom(children, entry >> 4, entry & 15);
  for (let at = 0, depth = 0; depth < 8; depth++, at = children[at * 2 + 1] as number) mayEndAt[at] = 1;
}

function stepFrom(children: Int32Array, node: number, nibble: number): number {
  let at = node;
  let emitted = 0;
  for (let shift = 3; shift >= 0; shift--) {
    const next = children[at * 2 + ((nibble >> shift) & 1)] as number;
    if (~next === END_OF_STRING) return FAILS;
    if (next < 0) emitted = EMITS | (~next << SYMBOL_SHIFT);
    at = Math.max(next, 0);
  }
  return at | emitted;
}

/** Two entries per inner node; a negative one is the complement of a symbol. */
function codeTree(): Int32Array {
  const children = new Int32Array(512);
  let nodes = 1;
  for (const [symbol, length] of CODE_LENGTHS.entries()) {
    const code = CODES[symbol] as number;
    let at = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const slot = at * 2 + ((code >> bit) & 1);
      if (children[slot] === 0) children[slot] = nodes++;
      at = children[slot] as number;
    }
    children[at * 2 + (code & 1)] = ~symbol;
  }
  return children;
}

/** The most octets that `length` coded octets can become. */
export function decodedBound(length: number): number {
  return Math.floor((length * 8) / 5);
}

/**
 * Decodes the Huffman string at source[start, end) into `target`, which must have {@link decodedBound} octets.
 * Returns how many octets it wrote.
 * @throws ConnectionFault COMPRESSION_ERROR for the end-of-string symbol and for wrong padding (RFC 7541 section 5.2).
 */
export function huffmanDecode(source: Uint8Array, start: number, end: number, target: Uint8Array): number {
  let node = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const octet = source[at] as number;
    for (let shift = 4; shift >= 0; shift -= 4) {
      const step = steps[node * 16 + ((octet >> shift) & 15)] as number;
      node = step & 0xff;
      if ((step & EMITS) !== 0) target[length++] = step >> SYMBOL_SHIFT;
      else if ((step & FAILS) !== 0) throw new ConnectionFault(H2Code.compressionError, BAD_END);
    }
  }
  if (mayEndAt[node] === 0) throw new ConnectionFault(H2Code.compressionError, BAD_END);
  return length;
}

/** Octets that the Huffman form of a latin1 string takes. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let at = 0; at < text.length; at++) bits += CODE_LENGTHS[text.charCodeAt(at) & 0xff] as number;
  return (bits + 7) >> 3;
}

/** Writes the Huffman form of a latin1 string and returns the offset after it. */
export function huffmanEncode(text: string, target: Uint8Array, offset: number): number {
  let pending = 0;
  let bits = 0;
  let at = offset;
  for (let index = 0; index < text.length; index++) {
    const symbol = text.charCodeAt(index) & 0xff;
    let code = CODES[symbol] as number;
    let length = CODE_LENGTHS[symbol] as number;
    if (length > 24) {
      // Up to seven bits are pending and 31 fit: the first octet of a long code goes ahead.
      length -= 8;
      pending = (pending << 8) | (code >>> length);
      code &= (1 << length) - 1;
      target[at++] = pending >>> bits;
      pending &= (1 << bits) - 1;
    }
    pending = (pending << length) | code;
    for (bits += length; bits >= 8;) {
      bits -= 8;
      target[at++] = pending >>> bits;
    }
    pending &= (1 << bits) - 1;
  }
  if (bits > 0) target[at++] = (pending << (8 - bits)) | (0xff >> bits);
  return at;
}
