// SPDX-License-Identifier: Apache-2.0
import { readFileSync, writeFileSync } from "node:fs";
import { linuxErrors } from "../errors.ts";
import { inNetns } from "./in-netns.ts";
import type { NetnsRef } from "./netns.ts";

/**
 * A network sysctl of a namespace, for example `net/ipv4/ip_forward`. Keys are written with slashes, since interface
 * names may hold dots.
 * @returns undefined if the kernel has no such key there
 * @throws MeshError LINUX_ARGUMENT_INVALID, LINUX_CAPABILITY_MISSING
 */
export function readSysctl(netns: NetnsRef, key: string): string | undefined {
  const path = pathOf(key);
  try {
    return inNetns(netns, () => readFileSync(path, "utf8")).trimEnd();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw sysctlError(netns, key, "read", error);
  }
}

/**
 * Sets a network sysctl of a namespace.
 * @throws MeshError LINUX_FEATURE_MISSING if there is no such key, LINUX_SYSCALL if the kernel refuses the value,
 * LINUX_ARGUMENT_INVALID, LINUX_CAPABILITY_MISSING
 */
export function writeSysctl(netns: NetnsRef, key: string, value: string | number): void {
  const path = pathOf(key);
  try {
    inNetns(netns, () => writeFileSync(path, String(value), { flag: "r+" }));
  } catch (error) {
    throw sysctlError(netns, key, `set to "${value}"`, error);
  }
}

/** True if sockets in the namespace can use IPv6 on the interface (`lo`: `::1` can be bound). */
export function isIpv6Enabled(netns: NetnsRef, interfaceName = "lo"): boolean {
  return readSysctl(netns, `net/ipv6/conf/${interfaceName}/disable_ipv6`) === "0";
}

function pathOf(key: string): string {
  const segments = key.split("/");
  const isSafe = segments[0] === "net" && segments.every((part) => part !== "" && part !== "." && part !== "..");
  if (isSafe && segments.length > 1) return `/proc/sys/${key}`;
  throw linuxErrors.create(
    "LINUX_ARGUMENT_INVALID",
    `"${key}" is no network sysctl; write it like net/ipv4/ip_forward`,
  );
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function sysctlError(netns: NetnsRef, key: string, verb: string, error: unknown): unknown {
  if (linuxErrors.is(error)) return error;
  const errno = (error as NodeJS.ErrnoException).code ?? "";
  const details = { key, errno, netns: netns.id };
  if (isMissing(error)) {
    return linuxErrors.create("LINUX_FEATURE_MISSING", `${netns.id} has no sysctl ${key}`, {
      cause: error,
      details: { ...details, feature: key },
    });
  }
  const code = errno === "EACCES" || errno === "EPERM" ? "LINUX_CAPABILITY_MISSING" : "LINUX_SYSCALL";
  return linuxErrors.create(code, `sysctl ${key} of ${netns.id} can't be ${verb}: ${errno}`, { cause: error, details });
}
