// SPDX-License-Identifier: Apache-2.0

/** Whole numbers from 0 up to, not including, `below`. */
export type Random = (below: number) => number;

/** xorshift32: small, fast, and the same numbers for the same seed. */
export function randomFrom(seed: number): Random {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** A seed made of an input, so that the input alone says all about how it was taken (FNV-1a). */
export function seedOf(input: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const octet of input) hash = Math.imul(hash ^ octet, 0x01000193);
  return hash >>> 0;
}
