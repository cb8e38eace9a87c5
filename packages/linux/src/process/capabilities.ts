// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { linuxErrors } from "../errors.ts";

/** Bit numbers of linux/capability.h, for the capabilities this package can ask for. */
const BITS = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  KILL: 5,
  NET_BIND_SERVICE: 10,
  NET_ADMIN: 12,
  NET_RAW: 13,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_RESOURCE: 24,
  BPF: 39,
} as const;

/** A Linux capability without its CAP_ prefix. */
export type Capability = keyof typeof BITS;

/** What in-pod sockets need (Istio's node proxy asks for the same three). */
export const IN_POD_CAPABILITIES: readonly Capability[] = ["NET_ADMIN", "SYS_ADMIN", "NET_RAW"];

/** The effective capabilities of this process, those this package knows of. */
export function effectiveCapabilities(): ReadonlySet<Capability> {
  return parseEffectiveCapabilities(readFileSync("/proc/thread-self/status", "utf8"));
}

/** The known capabilities in the CapEff line of a `/proc/PID/status`. Empty if there is none. */
export function parseEffectiveCapabilities(status: string): ReadonlySet<Capability> {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const names = Object.keys(BITS) as Capability[];
  return new Set(names.filter((name) => (mask >> BigInt(BITS[name])) & 1n));
}

/** True if the process has the capability in its own user namespace. */
export function hasCapability(capability: Capability): boolean {
  return effectiveCapabilities().has(capability);
}

/**
 * Checks what a program needs before it starts, naming everything that lacks at once.
 * @throws MeshError LINUX_CAPABILITY_MISSING
 */
export function requireCapabilities(program: string, needed: readonly Capability[]): void {
  const present = effectiveCapabilities();
  const missing = needed.filter((capability) => !present.has(capability));
  if (missing.length === 0) return;
  throw linuxErrors.create(
    "LINUX_CAPABILITY_MISSING",
    `${program} needs the capabilities ${missing.map((name) => `CAP_${name}`).join(", ")}; ` +
      "run it as root, or add them under securityContext.capabilities.add",
    { details: { missing, needed } },
  );
}
