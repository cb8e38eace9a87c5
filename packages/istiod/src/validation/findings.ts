// SPDX-License-Identifier: Apache-2.0
import { isIP } from "node:net";
import type { Findings } from "@ambientmesh/authz";

const MAX_PORT = 65_535;
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
const MAX_NAME = 253;

/** An error for a number that is no port. */
export function checkPort(port: number, path: string, findings: Findings): void {
  if (!Number.isInteger(port) || port < 1 || port > MAX_PORT) {
    findings.error(path, `${port} is no port; ports are 1 to ${MAX_PORT}`);
  }
}

/** True for names that DNS can hold, such as "db.example.com"; no address is one. */
export function isHostName(text: string): boolean {
  if (text.length === 0 || text.length > MAX_NAME || isIP(text) !== 0) return false;
  return text.split(".").every((label) => DNS_LABEL.test(label));
}

/** The same, or one with "*" as its first label. */
export function isHostPattern(text: string): boolean {
  return isHostName(text.startsWith("*.") ? text.slice(2) : text);
}

/** A second finding for each value that is there already. */
export function checkUnique(
  values: readonly (string | number)[],
  path: (at: number) => string,
  findings: Findings,
): void {
  const seen = new Set<string | number>();
  for (const [at, value] of values.entries()) {
    if (seen.has(value)) findings.error(path(at), `"${value}" is there already`);
    seen.add(value);
  }
}
