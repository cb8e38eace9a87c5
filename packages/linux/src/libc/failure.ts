// SPDX-License-Identifier: Apache-2.0
import { constants } from "node:os";
import type { MeshError } from "@ambientmesh/core";
import { linuxErrors, type LinuxErrorCode } from "../errors.ts";
import { hasCapability, type Capability } from "../process/capabilities.ts";
import { lastErrno } from "./libc.ts";

/** What a call was for, so that its failure can be explained. */
export interface CallContext {
  /** Name of the system call, with the option if it has one: "setsockopt(SO_MARK)". */
  readonly syscall: string;
  /** What the caller wanted, in words that follow "can't": "listen on 10.0.0.1:15001". */
  readonly purpose: string;
  /** What the kernel checks for; named when the call is refused. */
  readonly capability?: Capability;
  /** What a kernel may lack; named when the call is unknown to it. */
  readonly feature?: string;
}

// Two names of one number on Linux; the other name is the one in manual pages.
const ALIASES: ReadonlySet<string> = new Set(["ENOTSUP", "EWOULDBLOCK"]);
const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => !ALIASES.has(name))
    .map(([name, number]) => [number, name]),
);
const REFUSED: ReadonlySet<string> = new Set(["EPERM", "EACCES"]);
const UNKNOWN_TO_KERNEL: ReadonlySet<string> = new Set([
  "EAFNOSUPPORT",
  "ENOPROTOOPT",
  "ENOSYS",
  "EOPNOTSUPP",
  "EPROTONOSUPPORT",
]);
/** Conditions that pass by themselves: somebody else's socket or a full table. */
const PASSING: ReadonlySet<string> = new Set([
  "EADDRINUSE",
  "EAGAIN",
  "EINTR",
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
]);

/** "EPERM" for 1; "errno 4095" for what has no name. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** The typed error for a call that failed with `errno`. */
export function syscallError(context: CallContext, errno: number): MeshError {
  const name = errnoName(errno);
  const { syscall, purpose } = context;
  const { code, hint, extra } = explain(context, name);
  return linuxErrors.create(code, `can't ${purpose}: ${syscall} gave ${name}${hint}`, {
    details: { syscall, errno: name, ...extra },
    retryable: PASSING.has(name),
  });
}

/**
 * The call's result, if it is not negative.
 * @throws MeshError LINUX_CAPABILITY_MISSING, LINUX_FEATURE_MISSING or LINUX_SYSCALL
 */
export function checked(result: number, context: CallContext): number {
  if (result < 0) throw syscallError(context, lastErrno());
  return result;
}

interface Explanation {
  readonly code: LinuxErrorCode;
  readonly hint: string;
  readonly extra: Readonly<Record<string, string>>;
}

function explain({ capability, feature }: CallContext, errno: string): Explanation {
  if (capability !== undefined && REFUSED.has(errno)) {
    const hint = hasCapability(capability)
      ? `; CAP_${capability} is there, but not in the user namespace that owns the target`
      : `; the process lacks CAP_${capability}`;
    return { code: "LINUX_CAPABILITY_MISSING", hint, extra: { capability } };
  }
  if (feature !== undefined && UNKNOWN_TO_KERNEL.has(errno)) {
    return { code: "LINUX_FEATURE_MISSING", hint: `; the kernel has no ${feature}`, extra: { feature } };
  }
  return { code: "LINUX_SYSCALL", hint: "", extra: {} };
}
