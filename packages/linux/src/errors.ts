// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

/** The stable codes of this package. */
export type LinuxErrorCode =
  | "LINUX_ADDRESS_INVALID"
  | "LINUX_ARGUMENT_INVALID"
  | "LINUX_CAPABILITY_MISSING"
  | "LINUX_CONNECT_FAILED"
  | "LINUX_CONNECT_TIMEOUT"
  | "LINUX_FEATURE_MISSING"
  | "LINUX_NETNS_ASYNC"
  | "LINUX_NETNS_EXISTS"
  | "LINUX_NETNS_INVALID"
  | "LINUX_NETNS_NOT_FOUND"
  | "LINUX_PACKET_SOCKET_CLOSED"
  | "LINUX_SEQPACKET_CLOSED"
  | "LINUX_SEQPACKET_TRUNCATED"
  | "LINUX_SYSCALL"
  | "LINUX_TOOL_FAILED"
  | "LINUX_TOOL_MISSING"
  | "LINUX_TOOL_OUTPUT"
  | "LINUX_UNSUPPORTED";

/**
 * Codes this package raises. Failed system calls carry `details.syscall`, `details.errno` ("EPERM") and, where it can be
 * told, `details.capability` or `details.feature`.
 */
export const linuxErrors: ErrorCatalogue<LinuxErrorCode> = errorCatalogue({
  LINUX_ADDRESS_INVALID: "An IP address or port is malformed, or not of the family the socket needs.",
  LINUX_ARGUMENT_INVALID:
    "A name, path or number given to this package breaks a rule of the kernel; the message names it.",
  LINUX_CAPABILITY_MISSING: "The process lacks a Linux capability; add it to the container's security context.",
  LINUX_CONNECT_FAILED: "A TCP connection could not be opened; details.errno says why.",
  LINUX_CONNECT_TIMEOUT: "A TCP connection was not answered within its limit.",
  LINUX_FEATURE_MISSING: "The running kernel has not the feature that a call or rule needs; details.feature names it.",
  LINUX_NETNS_ASYNC:
    "A function given to inNetns was asynchronous; only synchronous work may run in another namespace.",
  LINUX_NETNS_EXISTS: "A named network namespace exists already.",
  LINUX_NETNS_INVALID: "A file or descriptor is no network namespace.",
  LINUX_NETNS_NOT_FOUND: "A network namespace, or the process it was looked up by, does not exist (any more).",
  LINUX_PACKET_SOCKET_CLOSED:
    "A packet socket was closed while somebody waited for its next frame, or was used after it.",
  LINUX_SEQPACKET_CLOSED:
    "A SOCK_SEQPACKET connection or listener was used after this side closed it, or its peer is gone.",
  LINUX_SEQPACKET_TRUNCATED:
    "A message or its file descriptors exceeded the receiver's limit; the message was dropped.",
  LINUX_SYSCALL: "A system call failed for a reason that has no code of its own; details.errno says which.",
  LINUX_TOOL_FAILED: "An external tool (nft, iptables, ip, …) reported failure; details.stderr holds what it said.",
  LINUX_TOOL_MISSING: "An external tool is not installed, or not on the search path.",
  LINUX_TOOL_OUTPUT: "An external tool wrote something unreadable, or more than its limit.",
  LINUX_UNSUPPORTED: "This machine is not Linux, or koffi has no prebuilt library for its CPU and C library.",
});
