// SPDX-License-Identifier: Apache-2.0
import { chmodSync, closeSync, lstatSync, unlinkSync } from "node:fs";
import { linuxErrors } from "../errors.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET } from "../libc/constants.ts";
import { checked, errnoName, syscallError } from "../libc/failure.ts";
import { lastErrno, libc } from "../libc/libc.ts";
import { openSocket, prepared } from "../sockets/options.ts";
import { SeqpacketConnection } from "./connection.ts";
import { DEFAULT_LIMITS, type MessageLimits } from "./message-buffer.ts";
import { Readiness } from "./readiness.ts";
import { encodeUnixPath, removeStaleSocket } from "./unix-socket.ts";

/** How a socket for messages listens. */
export interface SeqpacketListenOptions {
  /** File of the socket, up to 107 bytes. A file that a dead process left there is replaced. */
  readonly path: string;
  /** Permissions of the file: who may connect. Default 0o600. */
  readonly mode?: number;
  /** Default 128. */
  readonly backlog?: number;
  readonly limits?: Partial<MessageLimits>;
}

const DEFAULT_MODE = 0o600;
const DEFAULT_BACKLOG = 128;
const RETRIED: ReadonlySet<string> = new Set(["EAGAIN", "ECONNABORTED", "EINTR"]);

/**
 * Listens for SOCK_SEQPACKET connections. The listener belongs to the caller.
 * @throws MeshError LINUX_SYSCALL (EADDRINUSE: somebody else listens there), LINUX_ARGUMENT_INVALID
 */
export function listenSeqpacket({
  path,
  mode = DEFAULT_MODE,
  backlog = DEFAULT_BACKLOG,
  limits,
}: SeqpacketListenOptions): SeqpacketListener {
  const sockaddr = encodeUnixPath(path);
  removeStaleSocket(path);
  const purpose = `listen on the socket ${path}`;
  const fd = prepared(openSocket(AF_UNIX, SOCK_SEQPACKET), (fd) => {
    checked(libc().bind(fd, sockaddr, sockaddr.length), { syscall: "bind", purpose });
    // Nobody can connect before listen, so the file is never open to more than it should be.
    chmodSync(path, mode);
    checked(libc().listen(fd, backlog), { syscall: "listen", purpose });
  });
  return new SeqpacketListener(fd, path, { ...DEFAULT_LIMITS, ...limits });
}

/** A socket that accepts {@link SeqpacketConnection}s. */
export class SeqpacketListener implements Disposable {
  readonly path: string;
  readonly #fd: number;
  readonly #inode: bigint;
  readonly #limits: MessageLimits;
  readonly #readiness: Readiness;
  #isOpen = true;

  /** Use {@link listenSeqpacket}. */
  constructor(fd: number, path: string, limits: MessageLimits) {
    this.#fd = fd;
    this.path = path;
    this.#inode = lstatSync(path, { bigint: true }).ino;
    this.#limits = limits;
    this.#readiness = new Readiness(fd);
  }

  /**
   * The next connection, which belongs to the caller. Nothing is accepted before it is asked for.
   * @throws MeshError LINUX_SEQPACKET_CLOSED when the listener is closed, ABORTED, LINUX_SYSCALL (EMFILE and ENFILE are
   * retryable: wait before asking again)
   */
  async accept(signal?: AbortSignal): Promise<SeqpacketConnection> {
    for (;;) {
      if (!this.#isOpen) throw this.#closedError();
      const fd = libc().accept4(this.#fd, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd >= 0) return new SeqpacketConnection(fd, this.#limits);
      const errno = lastErrno();
      if (!RETRIED.has(errnoName(errno))) {
        throw syscallError({ syscall: "accept4", purpose: `accept on ${this.path}` }, errno);
      }
      await this.#readiness.wait("readable", signal);
    }
  }

  /** Stops listening and removes the socket file, unless a successor has replaced it. Connections live on. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#readiness.close(this.#closedError());
    closeSync(this.#fd);
    const stat = lstatSync(this.path, { bigint: true, throwIfNoEntry: false });
    if (stat?.ino === this.#inode) unlinkSync(this.path);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #closedError(): Error {
    return linuxErrors.create("LINUX_SEQPACKET_CLOSED", `the listener on ${this.path} was closed`);
  }
}
