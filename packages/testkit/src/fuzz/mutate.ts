// SPDX-License-Identifier: Apache-2.0
import type { Random } from "./random.ts";

/** Octets that mean something in most formats: lengths, tags, limits, separators. */
const TELLING = Buffer.from(
  "0001020304050607080a0d10111f202223272c2d2e2f303a3b3d3f40415b5c5d7b7d7f8081828486a0a3bebfc0e0feff",
  "hex",
);
const MAX_CHANGES = 5;
const MAX_PIECE = 64;

/** What inputs are made of. */
export interface Material {
  readonly corpus: readonly Buffer[];
  /** Words of the format. */
  readonly tokens: readonly Buffer[];
  readonly maxLength: number;
}

/** One of the inputs, changed in a few places, often with a piece of another. */
export function mutate({ corpus, tokens, maxLength }: Material, random: Random): Buffer {
  let octets: Buffer = Buffer.from(pick(corpus, random));
  for (let times = random(MAX_CHANGES); times > 0; times--) {
    const token = tokens.length > 0 && random(3) === 0 ? pick(tokens, random) : undefined;
    octets = token === undefined ? changed(octets, pick(corpus, random), random) : withToken(octets, token, random);
  }
  return octets.length > maxLength ? octets.subarray(0, maxLength) : octets;
}

function pick(from: readonly Buffer[], random: Random): Buffer {
  return from[random(from.length)] ?? Buffer.alloc(0);
}

/** A token put in, or over what is there. */
function withToken(octets: Buffer, token: Buffer, random: Random): Buffer {
  const at = random(octets.length + 1);
  const after = random(2) === 0 ? at : at + token.length;
  return Buffer.concat([octets.subarray(0, at), token, octets.subarray(after)]);
}

function changed(octets: Buffer, other: Buffer, random: Random): Buffer {
  const at = random(octets.length + 1);
  const start = random(other.length + 1);
  const piece = other.subarray(start, start + random(MAX_PIECE));
  switch (random(9)) {
    case 0:
      if (at < octets.length) octets[at] = random(256);
      return octets;
    case 1:
      if (at < octets.length) octets[at] = TELLING[random(TELLING.length)] ?? 0;
      return octets;
    case 2:
      if (at < octets.length) octets[at] = (octets[at] ?? 0) ^ (1 << random(8));
      return octets;
    case 3:
      if (at + 4 <= octets.length) octets.writeUInt32BE(random(2) === 0 ? random(2 ** 16) : random(2 ** 32 - 1), at);
      return octets;
    case 4:
      return Buffer.concat([octets.subarray(0, at), piece, octets.subarray(at)]);
    case 5:
      return Buffer.concat([octets.subarray(0, at), piece, octets.subarray(at + piece.length)]);
    case 6:
      return Buffer.concat([octets.subarray(0, at), octets.subarray(at + random(16))]);
    case 7:
      return Buffer.concat([octets, other]);
    default:
      return Buffer.from(octets.subarray(0, at));
  }
}
