// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { linuxErrors } from "../errors.ts";
import { DEFAULT_LIMITS, MessageBuffer, type MessageLimits, type SeqpacketMessage } from "./message-buffer.ts";
import { Readiness } from "./readiness.ts";
import { Turnstile } from "./turnstile.ts";
import { connectUnix, readPeerCredentials, type PeerCredentials } from "./unix-socket.ts";

/** What may go with a message. */
export interface SendOptions {
  /** Descriptors the peer gets copies of; the caller keeps its own and may close them once `send` has resolved. */
  readonly fds?: readonly number[];
  readonly signal?: AbortSignal;
}

/**
 * A SOCK_SEQPACKET connection: whole messages in order, with file descriptors beside them. Nothing is read ahead:
 * a message stays in the kernel until it is asked for, and a peer that sends faster is held there.
 */
export class SeqpacketConnection implements Disposable {
  readonly peer: PeerCredentials;
  readonly #fd: number;
  readonly #buffer: MessageBuffer;
  readonly #readiness: Readiness;
  readonly #receiving = new Turnstile();
  readonly #sending = new Turnstile();
  #isOpen = true;

  /** Use {@link connectSeqpacket} or a listener's `accept`. The descriptor belongs to the connection. */
  constructor(fd: number, limits: MessageLimits) {
    this.peer = readPeerCredentials(fd);
    this.#fd = fd;
    this.#buffer = new MessageBuffer(limits);
    this.#readiness = new Readiness(fd);
  }

  /**
   * The next message, or undefined when the peer has closed.
   * @throws MeshError LINUX_SEQPACKET_TRUNCATED (that message is lost, the connection goes on), ABORTED (nothing is
   * lost), LINUX_SEQPACKET_CLOSED when this side closes, LINUX_SYSCALL
   */
  receive(signal?: AbortSignal): Promise<SeqpacketMessage | undefined> {
    return this.#receiving.enter(async () => {
      for (;;) {
        this.#checkOpen();
        const received = this.#buffer.receive(this.#fd);
        if (received === "end") return undefined;
        if (received !== "again") return received;
        await this.#readiness.wait("readable", signal);
      }
    });
  }

  /**
   * Sends one message, waiting while the peer's queue is full. Concurrent calls keep their order.
   * @throws MeshError LINUX_ARGUMENT_INVALID (empty, or beyond the limits), LINUX_SEQPACKET_CLOSED when either side is
   * closed, ABORTED (nothing was sent), LINUX_SYSCALL
   */
  send(data: Uint8Array, { fds = [], signal }: SendOptions = {}): Promise<void> {
    return this.#sending.enter(async () => {
      for (;;) {
        this.#checkOpen();
        const outcome = this.#buffer.send(this.#fd, data, fds);
        if (outcome === "sent") return;
        if (outcome === "end") throw closedError(`process ${this.peer.pid} closed its end`);
        await this.#readiness.wait("writable", signal);
      }
    });
  }

  /** Ends the connection and fails whoever waits on it. Closing twice is harmless. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#readiness.close(closedError("this side closed it"));
    this.#buffer[Symbol.dispose]();
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #checkOpen(): void {
    if (!this.#isOpen) throw closedError("this side closed it");
  }
}

/**
 * Connects to a SOCK_SEQPACKET listener. Local sockets connect at once or not at all.
 * @throws MeshError LINUX_SYSCALL (details.errno ENOENT, ECONNREFUSED, EAGAIN, …), LINUX_ARGUMENT_INVALID
 */
export function connectSeqpacket(path: string, limits: Partial<MessageLimits> = {}): SeqpacketConnection {
  return new SeqpacketConnection(connectUnix(path), { ...DEFAULT_LIMITS, ...limits });
}

function closedError(why: string): Error {
  return linuxErrors.create("LINUX_SEQPACKET_CLOSED", `the SOCK_SEQPACKET connection is gone: ${why}`);
}
