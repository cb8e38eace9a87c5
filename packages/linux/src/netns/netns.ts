// SPDX-License-Identifier: Apache-2.0
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { linuxErrors } from "../errors.ts";
import { CLONE_NEWNET, NS_GET_NSTYPE } from "../libc/constants.ts";
import { libc } from "../libc/libc.ts";

/** A network namespace, as those see it who use it but do not own it. */
export interface NetnsRef {
  /** The descriptor, close-on-exec. */
  readonly fd: number;
  /** Device and inode: together the identity of the namespace (see {@link sameNetns}). */
  readonly dev: bigint;
  readonly ino: bigint;
  /** A path to the namespace for other programs, good while this process lives and holds it. */
  readonly path: string;
  /** Name in messages, as the kernel writes it in `/proc/PID/ns/net`. */
  readonly id: string;
}

/**
 * A network namespace held open. It exists as long as somebody holds it: a descriptor like this one, a process, a
 * socket or a bind mount. The owner disposes it; disposing twice is harmless.
 */
export class Netns implements NetnsRef, Disposable {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly #fd: number;
  #isOpen = true;

  /** Use {@link openNetns}, {@link netnsOfPid}, {@link netnsFromFd} or {@link createNetns}. */
  constructor(fd: number) {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    this.#fd = fd;
    this.dev = dev;
    this.ino = ino;
  }

  /**
   * @throws MeshError LINUX_NETNS_NOT_FOUND after disposal: its number may mean something else by then.
   */
  get fd(): number {
    if (this.#isOpen) return this.#fd;
    throw linuxErrors.create("LINUX_NETNS_NOT_FOUND", `${this.id} was closed by its owner and can't be used any more`);
  }

  get path(): string {
    return `/proc/${process.pid}/fd/${this.fd}`;
  }

  get id(): string {
    return `net:[${this.ino}]`;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }
}

/** True if both are the same namespace, however they were opened. */
export function sameNetns(a: Pick<NetnsRef, "dev" | "ino">, b: Pick<NetnsRef, "dev" | "ino">): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

/**
 * The namespace behind a path: a bind mount (`/run/netns/x`, as CNI passes it) or `/proc/PID/ns/net`.
 * @throws MeshError LINUX_NETNS_NOT_FOUND, LINUX_NETNS_INVALID, LINUX_CAPABILITY_MISSING
 */
export function openNetns(path: string): Netns {
  return netnsFromFd(openFile(path));
}

/**
 * The namespace a process is in now. A PID may be reused at any time: compare its start time
 * ({@link processStartTime}) before and after when that matters.
 * @throws MeshError LINUX_NETNS_NOT_FOUND, LINUX_CAPABILITY_MISSING
 */
export function netnsOfPid(pid: number, procRoot = "/proc"): Netns {
  return openNetns(`${procRoot}/${pid}/ns/net`);
}

/**
 * Wraps a descriptor that was received from elsewhere. The descriptor belongs to the handle from then on;
 * it is closed when the call throws.
 * @throws MeshError LINUX_NETNS_INVALID
 */
export function netnsFromFd(fd: number): Netns {
  if (libc().ioctl(fd, NS_GET_NSTYPE) === CLONE_NEWNET) return new Netns(fd);
  closeSync(fd);
  throw linuxErrors.create("LINUX_NETNS_INVALID", `descriptor ${fd} is no network namespace`);
}

function openFile(path: string): number {
  try {
    // Non-blocking, so that a FIFO planted at the path can't hang the process.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw openError(path, error);
  }
}

function openError(path: string, error: unknown): Error {
  const errno = (error as NodeJS.ErrnoException).code ?? "";
  const details = { path, syscall: "open", errno };
  if (errno === "EACCES" || errno === "EPERM") {
    return linuxErrors.create(
      "LINUX_CAPABILITY_MISSING",
      `can't open the network namespace ${path}: ${errno}; namespaces of other users' processes need CAP_SYS_PTRACE`,
      { cause: error, details: { ...details, capability: "SYS_PTRACE" } },
    );
  }
  if (errno === "ENOENT" || errno === "ESRCH" || errno === "ENOTDIR") {
    return linuxErrors.create("LINUX_NETNS_NOT_FOUND", `there is no network namespace at ${path}`, {
      cause: error,
      details,
    });
  }
  return linuxErrors.create("LINUX_SYSCALL", `can't open the network namespace ${path}: ${errno}`, {
    cause: error,
    details,
  });
}
