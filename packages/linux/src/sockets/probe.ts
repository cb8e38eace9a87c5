// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { AF_INET, SOCK_STREAM } from "../libc/constants.ts";
import { hostNetns } from "../netns/in-netns.ts";
import { openSocket, setMark, setTransparent } from "./options.ts";

/**
 * Tries at start what in-pod sockets need later: entering a namespace, marking a socket, making it transparent. Catches
 * what capabilities alone don't tell, such as seccomp profiles and security modules.
 * @throws MeshError LINUX_CAPABILITY_MISSING, LINUX_FEATURE_MISSING, LINUX_UNSUPPORTED
 */
export function probeInPodSockets(mark: number): void {
  const fd = openSocket(AF_INET, SOCK_STREAM, hostNetns());
  try {
    setMark(fd, mark);
    setTransparent(fd, AF_INET);
  } finally {
    closeSync(fd);
  }
}
