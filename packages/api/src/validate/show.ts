// SPDX-License-Identifier: Apache-2.0

/** Stands for a value that is not there. */
export const UNSET = "(unset)";

const MAX_CHARACTERS = 64;
const MAX_BYTES = 32;

/** A scalar as text of bounded length: strings quoted, bytes in hexadecimal. */
export function showValue(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.slice(0, MAX_CHARACTERS)) + rest(value.length - MAX_CHARACTERS, "character");
  }
  if (value instanceof Uint8Array) {
    return `0x${Buffer.from(value.subarray(0, MAX_BYTES)).toString("hex")}${rest(value.length - MAX_BYTES, "byte")}`;
  }
  return String(value);
}

function rest(amount: number, unit: string): string {
  return amount > 0 ? `… and ${count(amount, unit)}` : "";
}

/** "1 item", "2 items". */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? "" : "s"}`;
}
