// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { inNetns, linuxErrors, listeningTcpPorts, type NetnsRef } from "@ambientmesh/linux";

/** TCP_LISTEN of the kernel's tcp_states.h, as /proc shows it. */
const LISTENING = "0A";

/**
 * The TCP ports that somebody listens on in a namespace, on whatever address.
 * @throws MeshError LINUX_CAPABILITY_MISSING
 */
export function listeningPorts(netns: NetnsRef): ReadonlySet<number> {
  try {
    return listeningTcpPorts(netns);
  } catch (error) {
    // A kernel without INET_DIAG, or whose module is missing, still has a text that grows with all connections.
    if (!linuxErrors.is(error, "LINUX_FEATURE_MISSING") && !linuxErrors.is(error, "LINUX_SYSCALL")) throw error;
    return portsInText(netns);
  }
}

function portsInText(netns: NetnsRef): ReadonlySet<number> {
  return inNetns(netns, () => new Set(["tcp", "tcp6"].flatMap((name) => parseListeningPorts(read(name)))));
}

/** The local ports of the listening sockets in a `/proc/net/tcp` or `/proc/net/tcp6`. */
export function parseListeningPorts(text: string): readonly number[] {
  return text.split("\n").flatMap((line) => {
    const [, port, state] = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) /.exec(line) ?? [];
    return port !== undefined && state === LISTENING ? [Number.parseInt(port, 16)] : [];
  });
}

/** Of the namespace the thread is in; empty where the kernel has no IPv6. */
function read(name: string): string {
  try {
    return readFileSync(`/proc/thread-self/net/${name}`, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
