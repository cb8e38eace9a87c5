// SPDX-License-Identifier: Apache-2.0
import { koffi } from "./koffi.ts";

/**
 * The C library's functions, typed. Each returns -1 on failure and leaves errno behind ({@link lastErrno}).
 * Buffers are read and written in place; the kernel keeps no pointer to them after the call.
 */
export interface Libc {
  setns(fd: number, type: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string | null, flags: number, data: null): number;
  umount2(target: string, flags: number): number;
  ioctl(fd: number, request: number): number;
  getrlimit(resource: number, limits: Uint8Array): number;
  setrlimit(resource: number, limits: Uint8Array): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  accept4(fd: number, address: null, length: null, flags: number): number;
  setsockopt(fd: number, level: number, name: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array, length: Uint8Array): number;
  send(fd: number, data: Uint8Array, length: number, flags: number): number;
  recv(fd: number, data: Uint8Array, length: number, flags: number): number;
  sendmsg(fd: number, message: bigint, flags: number): number;
  recvmsg(fd: number, message: bigint, flags: number): number;
  /** 0 on failure. */
  if_nametoindex(name: string): number;
  /** 1 when the text was an address of the family. */
  inet_pton(family: number, text: string, address: Uint8Array): number;
  /** Null on failure. */
  inet_ntop(family: number, address: Uint8Array, text: Uint8Array, length: number): string | null;
}

const PROTOTYPES: Readonly<Record<keyof Libc, string>> = {
  setns: "int setns(int, int)",
  unshare: "int unshare(int)",
  mount: "int mount(const char *, const char *, const char *, unsigned long, const void *)",
  umount2: "int umount2(const char *, int)",
  ioctl: "int ioctl(int, unsigned long, ...)",
  getrlimit: "int getrlimit(int, void *)",
  setrlimit: "int setrlimit(int, const void *)",
  socket: "int socket(int, int, int)",
  bind: "int bind(int, const void *, uint32_t)",
  listen: "int listen(int, int)",
  connect: "int connect(int, const void *, uint32_t)",
  accept4: "int accept4(int, void *, void *, int)",
  setsockopt: "int setsockopt(int, int, int, const void *, uint32_t)",
  getsockopt: "int getsockopt(int, int, int, void *, void *)",
  send: "intptr_t send(int, const void *, size_t, int)",
  recv: "intptr_t recv(int, void *, size_t, int)",
  sendmsg: "intptr_t sendmsg(int, const void *, int)",
  recvmsg: "intptr_t recvmsg(int, void *, int)",
  if_nametoindex: "unsigned int if_nametoindex(const char *)",
  inet_pton: "int inet_pton(int, const char *, void *)",
  inet_ntop: "const char *inet_ntop(int, const void *, void *, uint32_t)",
};

let bound: Libc | undefined;

/**
 * The bindings, made at the first call.
 * @throws MeshError LINUX_UNSUPPORTED
 */
export function libc(): Libc {
  bound ??= bindAll();
  return bound;
}

/** errno of this thread's last call. Read it before anything else runs. */
export function lastErrno(): number {
  return koffi().errno();
}

function bindAll(): Libc {
  // The process's own symbols: the C library Node itself was linked with, glibc or musl.
  const library = koffi().load(null);
  const entries = Object.entries(PROTOTYPES).map(([name, prototype]) => [name, library.func(prototype)] as const);
  return Object.fromEntries(entries) as unknown as Libc;
}
