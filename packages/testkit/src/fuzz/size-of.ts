// SPDX-License-Identifier: Apache-2.0

/** What an object, an entry or a number is counted as, in octets. */
const CELL = 16;

/**
 * Roughly the octets that a decoded value holds, things it holds twice counted twice: what a bomb of references would
 * become when it is copied or written out.
 * @throws RangeError beyond `limit`, as soon as that is known.
 */
export function sizeOf(value: unknown, limit: number): number {
  let size = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    size += CELL;
    if (typeof next === "string") size += next.length;
    else if (ArrayBuffer.isView(next)) size += next.byteLength;
    else if (next instanceof Map) for (const entry of next) waiting.push(...entry);
    else if (next instanceof Set || Array.isArray(next)) for (const entry of next) waiting.push(entry);
    else if (typeof next === "object" && next !== null) {
      for (const [key, entry] of Object.entries(next)) {
        size += key.length;
        waiting.push(entry);
      }
    }
    if (size + waiting.length * CELL > limit) throw new RangeError(`more than ${limit} octets were made of the input`);
  }
  return size;
}
