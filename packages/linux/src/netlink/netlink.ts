// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { linuxErrors } from "../errors.ts";
import { AF_NETLINK, MSG_DONTWAIT, SOCK_RAW } from "../libc/constants.ts";
import { checked, syscallError } from "../libc/failure.ts";
import { libc } from "../libc/libc.ts";
import type { NetnsRef } from "../netns/netns.ts";
import { openSocket } from "../sockets/options.ts";

/** A question to the kernel (netlink(7)). */
export interface NetlinkRequest {
  readonly type: number;
  /** Asks for everything there is, instead of one thing. */
  readonly isDump: boolean;
  readonly body: Uint8Array;
}

/** One message of an answer, without its header. */
export interface NetlinkMessage {
  readonly type: number;
  readonly body: Buffer;
}

const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER_BYTES = 16;
/** The kernel fills at most this much at a time. */
const RECEIVE_BYTES = 64 * 1024;
/** Of one answer; a namespace with more than that of anything is not looked at this way. */
const MAX_MESSAGES = 100_000;

/**
 * Asks and collects the answer, in one go: the kernel answers while it is being asked, nothing is waited for.
 * @throws MeshError LINUX_CAPABILITY_MISSING, LINUX_FEATURE_MISSING, LINUX_SYSCALL, LINUX_TOOL_OUTPUT
 */
export function askNetlink(netns: NetnsRef, protocol: number, request: NetlinkRequest): readonly NetlinkMessage[] {
  const fd = openSocket(AF_NETLINK, SOCK_RAW, netns, protocol);
  try {
    const purpose = `ask the kernel about ${netns.id}`;
    const data = encode(request);
    checked(libc().send(fd, data, data.length, 0), { syscall: "send(netlink)", purpose });
    return receive(fd, request, purpose);
  } finally {
    closeSync(fd);
  }
}

function encode({ type, isDump, body }: NetlinkRequest): Buffer {
  const message = Buffer.alloc(HEADER_BYTES + body.length);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(type, 4);
  message.writeUInt16LE(NLM_F_REQUEST | (isDump ? NLM_F_DUMP : 0), 6);
  message.set(body, HEADER_BYTES);
  return message;
}

function receive(fd: number, { isDump }: NetlinkRequest, purpose: string): readonly NetlinkMessage[] {
  const found: NetlinkMessage[] = [];
  const buffer = Buffer.alloc(RECEIVE_BYTES);
  for (;;) {
    const length = checked(libc().recv(fd, buffer, buffer.length, MSG_DONTWAIT), {
      syscall: "recv(netlink)",
      purpose,
      capability: "NET_ADMIN",
    });
    for (const message of netlinkMessages(buffer.subarray(0, length))) {
      if (message.type === NLMSG_DONE) return found;
      if (message.type === NLMSG_ERROR) throw refusal(message, purpose);
      found.push({ type: message.type, body: Buffer.from(message.body) });
      if (!isDump) return found;
      if (found.length > MAX_MESSAGES) throw tooMuch(purpose);
    }
  }
}

/** Nobody asks for acknowledgements, so that this is never "no error". */
function refusal({ body }: NetlinkMessage, purpose: string): Error {
  const errno = body.length >= 4 ? -body.readInt32LE(0) : 0;
  return syscallError({ syscall: "netlink", purpose, capability: "NET_ADMIN", feature: "netlink" }, errno);
}

/** The messages of a datagram; their bytes are shared with it. What does not fit together ends the list. */
export function netlinkMessages(datagram: Buffer): readonly NetlinkMessage[] {
  const found: NetlinkMessage[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= datagram.length) {
    const length = datagram.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > datagram.length) break;
    found.push({ type: datagram.readUInt16LE(at + 4), body: datagram.subarray(at + HEADER_BYTES, at + length) });
    at += (length + 3) & ~3;
  }
  return found;
}

/** An attribute of a message: its type without flags, and all its bytes. */
export interface NetlinkAttribute {
  readonly type: number;
  readonly value: Buffer;
}

/** The attributes that follow a message's fixed part. What does not fit together ends the list. */
export function netlinkAttributes(bytes: Buffer): readonly NetlinkAttribute[] {
  const found: NetlinkAttribute[] = [];
  let at = 0;
  while (at + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    found.push({ type: bytes.readUInt16LE(at + 2) & 0x3fff, value: bytes.subarray(at + 4, at + length) });
    at += (length + 3) & ~3;
  }
  return found;
}

function tooMuch(purpose: string): Error {
  return linuxErrors.create("LINUX_TOOL_OUTPUT", `can't ${purpose}: there is more than ${MAX_MESSAGES} of it`);
}
