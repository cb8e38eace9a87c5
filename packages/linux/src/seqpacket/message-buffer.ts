// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { linuxErrors } from "../errors.ts";
import {
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_TRUNC,
  SCM_RIGHTS,
  SOL_SOCKET,
} from "../libc/constants.ts";
import { errnoName, syscallError } from "../libc/failure.ts";
import { koffi } from "../libc/koffi.ts";
import { lastErrno, libc } from "../libc/libc.ts";

/** How much one message may hold. */
export interface MessageLimits {
  /** Default 1024, the buffer of Istio's node proxy. */
  readonly maxBytes: number;
  /** Default 1. */
  readonly maxFds: number;
}

/** What is used where no limits are given. */
export const DEFAULT_LIMITS: MessageLimits = { maxBytes: 1024, maxFds: 1 };

/** One message. */
export interface SeqpacketMessage {
  readonly data: Buffer;
  /** Descriptors that came with it, close-on-exec. They belong to the receiver, who closes them. */
  readonly fds: readonly number[];
}

/** What one attempt to receive gave. */
export type Received = SeqpacketMessage | "again" | "end";

// struct msghdr and struct iovec on 64-bit Linux, in one block: header, vector, control data, payload.
const MSGHDR = { iov: 16, iovLength: 24, control: 32, controlLength: 40, flags: 48, size: 56 } as const;
const IOVEC = { base: 0, length: 8, size: 16 } as const;
// struct cmsghdr: length, level, type, then the data; each aligned to 8 bytes.
const CMSG = { length: 0, level: 8, type: 12, header: 16, alignment: 8 } as const;
const FD_SIZE = 4;
const ENDED: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE"]);

const aligned = (length: number): number => Math.ceil(length / CMSG.alignment) * CMSG.alignment;

/** Memory outside V8's heap for sendmsg(2) and recvmsg(2), reused for every message of a connection. */
export class MessageBuffer implements Disposable {
  readonly limits: MessageLimits;
  readonly #address: bigint;
  readonly #bytes: Buffer;
  readonly #controlSize: number;
  #isFreed = false;

  constructor(limits: MessageLimits) {
    this.limits = limits;
    this.#controlSize = CMSG.header + aligned(FD_SIZE * limits.maxFds);
    const size = this.#payloadAt + limits.maxBytes;
    this.#address = koffi().alloc("uint8", size) as bigint;
    this.#bytes = Buffer.from(koffi().view(this.#address, size));
  }

  get #controlAt(): number {
    return MSGHDR.size + IOVEC.size;
  }

  get #payloadAt(): number {
    return this.#controlAt + this.#controlSize;
  }

  /**
   * One message, if there is one. An empty message can't be told from the end of the connection and counts as that.
   * @throws MeshError LINUX_SEQPACKET_TRUNCATED: the message is lost, its descriptors are closed, the connection goes on;
   * LINUX_SYSCALL
   */
  receive(fd: number): Received {
    this.#prepare(this.limits.maxBytes, this.#controlSize);
    // Sockets that carry no descriptors may not know of the flag (AF_PACKET refuses it).
    const closeOnExec = this.limits.maxFds > 0 ? MSG_CMSG_CLOEXEC : 0;
    const length = libc().recvmsg(fd, this.#address, MSG_DONTWAIT | closeOnExec);
    if (length < 0) return this.#failed("recvmsg", "receive a message");
    const fds = this.#readFds();
    const flags = this.#bytes.readInt32LE(MSGHDR.flags);
    const problem = this.#problemOf(flags, fds.length);
    if (problem !== undefined || length === 0) for (const extra of fds) closeSync(extra);
    if (problem !== undefined) {
      throw linuxErrors.create("LINUX_SEQPACKET_TRUNCATED", `a message was dropped: ${problem}`, {
        details: { ...this.limits, fds: fds.length },
      });
    }
    if (length === 0) return "end";
    return { data: Buffer.from(this.#bytes.subarray(this.#payloadAt, this.#payloadAt + length)), fds };
  }

  /**
   * Sends one message whole, or nothing.
   * @throws MeshError LINUX_ARGUMENT_INVALID beyond the limits, LINUX_SYSCALL
   */
  send(fd: number, data: Uint8Array, fds: readonly number[]): "sent" | "again" | "end" {
    const { maxBytes, maxFds } = this.limits;
    if (data.length === 0 || data.length > maxBytes || fds.length > maxFds) {
      throw linuxErrors.create(
        "LINUX_ARGUMENT_INVALID",
        `a message of ${data.length} bytes and ${fds.length} descriptors can't be sent; ` +
          `1 to ${maxBytes} bytes and up to ${maxFds} descriptors can`,
      );
    }
    this.#prepare(data.length, fds.length === 0 ? 0 : CMSG.header + aligned(FD_SIZE * fds.length));
    this.#bytes.set(data, this.#payloadAt);
    if (fds.length > 0) this.#writeFds(fds);
    const sent = libc().sendmsg(fd, this.#address, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? this.#failed("sendmsg", "send a message") : "sent";
  }

  [Symbol.dispose](): void {
    if (this.#isFreed) return;
    this.#isFreed = true;
    koffi().free(this.#address);
  }

  #prepare(payloadLength: number, controlLength: number): void {
    const at = (offset: number): bigint => this.#address + BigInt(offset);
    this.#bytes.fill(0, 0, this.#payloadAt);
    this.#bytes.writeBigUInt64LE(at(MSGHDR.size), MSGHDR.iov);
    this.#bytes.writeBigUInt64LE(1n, MSGHDR.iovLength);
    this.#bytes.writeBigUInt64LE(at(this.#controlAt), MSGHDR.control);
    this.#bytes.writeBigUInt64LE(BigInt(controlLength), MSGHDR.controlLength);
    this.#bytes.writeBigUInt64LE(at(this.#payloadAt), MSGHDR.size + IOVEC.base);
    this.#bytes.writeBigUInt64LE(BigInt(payloadLength), MSGHDR.size + IOVEC.length);
  }

  #writeFds(fds: readonly number[]): void {
    const control = this.#bytes.subarray(this.#controlAt);
    control.writeBigUInt64LE(BigInt(CMSG.header + FD_SIZE * fds.length), CMSG.length);
    control.writeInt32LE(SOL_SOCKET, CMSG.level);
    control.writeInt32LE(SCM_RIGHTS, CMSG.type);
    fds.forEach((descriptor, index) => control.writeInt32LE(descriptor, CMSG.header + FD_SIZE * index));
  }

  /** Every descriptor the kernel installed; control messages of other kinds carry none and are skipped. */
  #readFds(): number[] {
    const end = Number(this.#bytes.readBigUInt64LE(MSGHDR.controlLength));
    const control = this.#bytes.subarray(this.#controlAt, this.#controlAt + Math.min(end, this.#controlSize));
    const fds: number[] = [];
    let at = 0;
    while (at + CMSG.header <= control.length) {
      const length = Number(control.readBigUInt64LE(at + CMSG.length));
      if (length < CMSG.header) break;
      const isRights =
        control.readInt32LE(at + CMSG.level) === SOL_SOCKET && control.readInt32LE(at + CMSG.type) === SCM_RIGHTS;
      const stop = Math.min(at + length, control.length);
      if (isRights) {
        for (let next = at + CMSG.header; next + FD_SIZE <= stop; next += FD_SIZE) fds.push(control.readInt32LE(next));
      }
      at += aligned(length);
    }
    return fds;
  }

  #problemOf(flags: number, fdCount: number): string | undefined {
    const { maxBytes, maxFds } = this.limits;
    if (flags & MSG_TRUNC) return `it is longer than ${maxBytes} bytes`;
    // Alignment leaves room for one descriptor more than asked for, so the count has to be looked at as well.
    if (flags & MSG_CTRUNC || fdCount > maxFds) return `it carries more than ${maxFds} descriptors`;
    return undefined;
  }

  #failed(syscall: string, purpose: string): "again" | "end" {
    const errno = lastErrno();
    const name = errnoName(errno);
    if (name === "EAGAIN" || name === "EINTR") return "again";
    if (ENDED.has(name)) return "end";
    throw syscallError({ syscall, purpose }, errno);
  }
}
