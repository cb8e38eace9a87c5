// SPDX-License-Identifier: Apache-2.0
import { openSync, writeSync } from "node:fs";
import { types } from "node:util";
import { linuxErrors } from "../errors.ts";
import { CLONE_NEWNET } from "../libc/constants.ts";
import { checked, errnoName } from "../libc/failure.ts";
import { lastErrno, libc } from "../libc/libc.ts";
import { netnsFromFd, type Netns, type NetnsRef } from "./netns.ts";

/** Work for {@link inNetns}: anything but a promise. */
export type Synchronous<T> = T extends PromiseLike<unknown> ? never : T;

// A worker thread can sit in another namespace than the process's first thread, so "self" would be wrong.
const OWN_NETNS = "/proc/thread-self/ns/net";

let home: NetnsRef | undefined;
// Descriptor of the namespace this thread is in while it is away from home.
let currentFd: number | undefined;

/**
 * The namespace this thread started in, to which every excursion returns. It is opened before the thread first
 * leaves it (the only ways out lead through this file) and stays open as long as the thread lives.
 * @throws MeshError LINUX_UNSUPPORTED
 */
export function hostNetns(): NetnsRef {
  home ??= netnsFromFd(openOwn());
  return home;
}

/**
 * Runs `work` with this thread inside another network namespace and returns what it returns. Everything happens before
 * the call returns: no other JavaScript runs meanwhile, and nothing asynchronous may be begun in there, since the
 * thread pool is shared. Calls may be nested. If the thread can't return to where it was, the process is aborted:
 * in the wrong namespace every later connection would be somebody else's.
 * @throws MeshError LINUX_CAPABILITY_MISSING (entering needs SYS_ADMIN), LINUX_NETNS_ASYNC when `work` is asynchronous,
 * and whatever `work` throws
 */
export function inNetns<T>(netns: NetnsRef, work: () => Synchronous<T>): T {
  if (types.isAsyncFunction(work)) throw asyncError(netns);
  const before = currentFd ?? hostNetns().fd;
  const target = netns.fd;
  checked(libc().setns(target, CLONE_NEWNET), {
    syscall: "setns",
    purpose: `enter ${netns.id}`,
    capability: "SYS_ADMIN",
  });
  currentFd = target;
  let result: T;
  try {
    result = work();
  } finally {
    comeBack(before);
  }
  if (types.isPromise(result)) throw asyncError(netns);
  return result;
}

/**
 * A new, empty network namespace whose `lo` is down, held by nothing but the returned handle.
 * @throws MeshError LINUX_CAPABILITY_MISSING, LINUX_FEATURE_MISSING
 */
export function createNetns(): Netns {
  const before = currentFd ?? hostNetns().fd;
  checked(libc().unshare(CLONE_NEWNET), {
    syscall: "unshare",
    purpose: "create a network namespace",
    capability: "SYS_ADMIN",
    feature: "network namespaces (CONFIG_NET_NS)",
  });
  let fd: number;
  try {
    fd = openOwn();
  } finally {
    comeBack(before);
  }
  return netnsFromFd(fd);
}

function openOwn(): number {
  return openSync(OWN_NETNS, "r");
}

function comeBack(fd: number): void {
  if (libc().setns(fd, CLONE_NEWNET) === 0) {
    currentFd = fd === home?.fd ? undefined : fd;
    return;
  }
  const errno = errnoName(lastErrno());
  // The logger may need the network, and nothing asynchronous may run here any more.
  writeSync(2, `fatal: this thread can't return to its network namespace (descriptor ${fd}): setns gave ${errno}\n`);
  process.abort();
}

function asyncError(netns: NetnsRef): Error {
  return linuxErrors.create(
    "LINUX_NETNS_ASYNC",
    `work inside ${netns.id} was asynchronous; only synchronous functions may run in another network namespace`,
  );
}
