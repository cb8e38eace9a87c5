// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { createSocket, type Socket } from "node:dgram";
import { AF_INET, SOCK_DGRAM } from "../libc/constants.ts";
import { checked } from "../libc/failure.ts";
import { libc } from "../libc/libc.ts";
import { encodeSockaddr, familyOf } from "./address.ts";
import { placeOf, setBindOptions, type BindOptions } from "./listen.ts";
import { openSocket, prepared } from "./options.ts";

/**
 * A bound UDP socket inside a network namespace. The descriptor belongs to the caller.
 * @throws MeshError LINUX_SYSCALL (details.errno EADDRINUSE: retryable), LINUX_CAPABILITY_MISSING, LINUX_ADDRESS_INVALID
 */
export function openUdpSocket(options: BindOptions): number {
  const sockaddr = encodeSockaddr(options);
  return prepared(openSocket(familyOf(options.address), SOCK_DGRAM, options.netns), (fd) => {
    setBindOptions(fd, options);
    checked(libc().bind(fd, sockaddr, sockaddr.length), {
      syscall: "bind",
      purpose: `bind UDP ${placeOf(options)}`,
      capability: "NET_BIND_SERVICE",
    });
  });
}

/**
 * {@link openUdpSocket} as a `dgram.Socket`, which owns it: resolves when it receives. Node adds SO_REUSEADDR to it.
 * @throws MeshError as {@link openUdpSocket}
 */
export async function bindUdp(options: BindOptions): Promise<Socket> {
  const fd = openUdpSocket(options);
  const socket = createSocket(familyOf(options.address) === AF_INET ? "udp4" : "udp6");
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("error", reject);
  try {
    socket.bind({ fd, exclusive: true }, resolve);
  } catch (error) {
    closeSync(fd);
    reject(error);
  }
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  } finally {
    socket.removeListener("error", reject);
  }
}
