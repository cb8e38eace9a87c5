// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";

/** A random serial number of 128 bits, never 0. Random ones can't be guessed, which chosen-prefix attacks would need. */
export function randomSerialNumber(): bigint {
  return BigInt(`0x${randomBytes(16).toString("hex")}`) || 1n;
}
