// SPDX-License-Identifier: Apache-2.0

/** Numbers from 0 up to, not including, `below`. */
export type Random = (below: number) => number;

/** xorshift32: small, fast, and the same inputs for the same seed. */
export function randomFrom(seed: number): Random {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Octets that mean something in frame headers, HPACK and header text. */
const TELLING = Buffer.from(
  "0001020304050607080910111f203f407f8081bebfc0e0fe ff2c3d3b222d5b5d3a0d0a20".replaceAll(" ", ""),
  "hex",
);

/** One of the inputs, changed in a few places, often with a piece of another. */
export function mutate(corpus: readonly Buffer[], random: Random): Buffer {
  let octets = Buffer.from(corpus[random(corpus.length)] ?? Buffer.alloc(0));
  for (let times = random(5); times > 0; times--) {
    const at = random(octets.length + 1);
    const other = corpus[random(corpus.length)] ?? octets;
    const piece = other.subarray(random(other.length + 1)).subarray(0, random(64));
    switch (random(7)) {
      case 0:
        if (at < octets.length) octets[at] = random(256);
        break;
      case 1:
        if (at < octets.length) octets[at] = TELLING[random(TELLING.length)] ?? 0;
        break;
      case 2:
        octets = Buffer.concat([octets.subarray(0, at), piece, octets.subarray(at)]);
        break;
      case 3:
        octets = Buffer.concat([octets.subarray(0, at), octets.subarray(at + random(16))]);
        break;
      case 4:
        octets = Buffer.concat([octets, other]);
        break;
      case 5:
        if (at + 3 < octets.length) octets.writeUInt32BE(random(2) === 0 ? random(2 ** 16) : random(2 ** 32 - 1), at);
        break;
      default:
        octets = Buffer.from(octets.subarray(0, at));
    }
  }
  return octets.subarray(0, 64 * 1024);
}
