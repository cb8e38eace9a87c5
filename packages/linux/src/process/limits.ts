// SPDX-License-Identifier: Apache-2.0
import { RLIMIT_NOFILE } from "../libc/constants.ts";
import { checked } from "../libc/failure.ts";
import { libc } from "../libc/libc.ts";

/** How many descriptors a process may open; Infinity where the kernel sets no limit. */
export interface OpenFileLimit {
  readonly soft: number;
  readonly hard: number;
}

const UNLIMITED = 2n ** 64n - 1n;

/** This process's RLIMIT_NOFILE. */
export function openFileLimit(): OpenFileLimit {
  const limits = Buffer.alloc(16);
  checked(libc().getrlimit(RLIMIT_NOFILE, limits), { syscall: "getrlimit", purpose: "read the limit of open files" });
  return { soft: toNumber(limits.readBigUInt64LE(0)), hard: toNumber(limits.readBigUInt64LE(8)) };
}

/**
 * Raises the soft limit of open files to the hard one, and both to `atLeast` if they are lower.
 * @returns the limit that holds now
 * @throws MeshError LINUX_CAPABILITY_MISSING if the hard limit would have to grow and CAP_SYS_RESOURCE is not there
 */
export function raiseOpenFileLimit(atLeast = 0): OpenFileLimit {
  const { hard } = openFileLimit();
  const target = toBigInt(Math.max(hard, atLeast));
  const limits = Buffer.alloc(16);
  limits.writeBigUInt64LE(target, 0);
  limits.writeBigUInt64LE(target, 8);
  checked(libc().setrlimit(RLIMIT_NOFILE, limits), {
    syscall: "setrlimit(RLIMIT_NOFILE)",
    purpose: `raise the limit of open files to ${target}`,
    capability: "SYS_RESOURCE",
  });
  return openFileLimit();
}

function toNumber(value: bigint): number {
  return value === UNLIMITED ? Infinity : Number(value);
}

function toBigInt(value: number): bigint {
  return value === Infinity ? UNLIMITED : BigInt(value);
}
