// SPDX-License-Identifier: Apache-2.0
import { closeSync, lstatSync, unlinkSync } from "node:fs";
import { linuxErrors } from "../errors.ts";
import { AF_UNIX, SOCK_SEQPACKET, SOL_SOCKET, SO_PEERCRED } from "../libc/constants.ts";
import { checked, errnoName, syscallError } from "../libc/failure.ts";
import { lastErrno, libc } from "../libc/libc.ts";
import { openSocket, prepared } from "../sockets/options.ts";

/** Who is at the other end, as the kernel saw it when the connection was made. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Bytes of sun_path, less the closing zero. */
const MAX_PATH_BYTES = 107;
const UCRED_SIZE = 12;

/** `struct sockaddr_un`. @throws MeshError LINUX_ARGUMENT_INVALID */
export function encodeUnixPath(path: string): Buffer {
  const length = Buffer.byteLength(path);
  if (length === 0 || length > MAX_PATH_BYTES || path.includes("\0")) {
    throw linuxErrors.create(
      "LINUX_ARGUMENT_INVALID",
      `the socket path "${path}" has ${length} bytes; 1 to ${MAX_PATH_BYTES} are possible`,
    );
  }
  const bytes = Buffer.alloc(2 + length + 1);
  bytes.writeUInt16LE(AF_UNIX, 0);
  bytes.write(path, 2);
  return bytes;
}

/** A connected socket. @throws MeshError LINUX_SYSCALL; EAGAIN (the listener's queue is full) is retryable */
export function connectUnix(path: string): number {
  const sockaddr = encodeUnixPath(path);
  return prepared(openSocket(AF_UNIX, SOCK_SEQPACKET), (fd) => {
    const purpose = `connect to the socket ${path}`;
    checked(libc().connect(fd, sockaddr, sockaddr.length), { syscall: "connect", purpose });
  });
}

/**
 * Removes a socket file that a dead process left behind; leaves everything else alone.
 * @throws MeshError LINUX_SYSCALL with EADDRINUSE if somebody listens there or the file is no socket
 */
export function removeStaleSocket(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return;
  if (stat.isSocket() && isAbandoned(path)) return unlinkSync(path);
  const owner = stat.isSocket() ? "another process listens there" : "the file is no socket";
  throw linuxErrors.create("LINUX_SYSCALL", `can't listen on ${path}: ${owner}`, {
    details: { syscall: "bind", errno: "EADDRINUSE", path },
    retryable: stat.isSocket(),
  });
}

function isAbandoned(path: string): boolean {
  const sockaddr = encodeUnixPath(path);
  const probe = openSocket(AF_UNIX, SOCK_SEQPACKET);
  try {
    return libc().connect(probe, sockaddr, sockaddr.length) < 0 && errnoName(lastErrno()) === "ECONNREFUSED";
  } finally {
    closeSync(probe);
  }
}

/** @throws MeshError LINUX_SYSCALL */
export function readPeerCredentials(fd: number): PeerCredentials {
  const credentials = Buffer.alloc(UCRED_SIZE);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(UCRED_SIZE);
  if (libc().getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) < 0) {
    throw syscallError({ syscall: "getsockopt(SO_PEERCRED)", purpose: "learn who the peer is" }, lastErrno());
  }
  return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8) };
}
