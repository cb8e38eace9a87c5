// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from "node:crypto";

const BYTES = 16;
/** Random bytes for many numbers at once: a call for each takes longer than all the rest of a number. */
const POOL = Buffer.alloc(64 * BYTES);
let used = POOL.length;

/** A random serial number of 128 bits, never 0. Random ones can't be guessed, which chosen-prefix attacks would need. */
export function randomSerialNumber(): bigint {
  if (used === POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  const bytes = POOL.subarray(used, (used += BYTES));
  return BigInt(`0x${bytes.toString("hex")}`) || 1n;
}
