// SPDX-License-Identifier: Apache-2.0
import { parsed, shown, unreadable, type Parsed } from "../problem.ts";

/** A decimal port number from 1 to 65535. */
export function parsePort(text: string): Parsed<number> {
  if (!/^[1-9]\d{0,4}$/.test(text)) return unreadable(`${shown(text)} is not a port from 1 to 65535`);
  return checkPort(Number(text));
}

export function checkPort(port: number): Parsed<number> {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return unreadable(`${port} is not a port from 1 to 65535`);
  return parsed(port);
}
