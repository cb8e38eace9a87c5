// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { linuxErrors } from "../errors.ts";
import {
  AF_PACKET,
  ETH_P_ALL,
  PACKET_ADD_MEMBERSHIP,
  PACKET_MR_PROMISC,
  SOCK_RAW,
  SOL_PACKET,
} from "../libc/constants.ts";
import { checked } from "../libc/failure.ts";
import { libc } from "../libc/libc.ts";
import { inNetns } from "../netns/in-netns.ts";
import type { NetnsRef } from "../netns/netns.ts";
import { MessageBuffer } from "../seqpacket/message-buffer.ts";
import { Readiness } from "../seqpacket/readiness.ts";
import { openSocket, prepared } from "../sockets/options.ts";

/** Where to listen. */
export interface PacketSocketOptions {
  /** Unset: the namespace of this process. */
  readonly netns?: NetnsRef;
  /** Name of the interface. It is made promiscuous while the socket is open. */
  readonly device: string;
}

/** Frames can be larger than the link's: segments are put together on the way. */
const MAX_FRAME_BYTES = 256 * 1024;
// struct sockaddr_ll and struct packet_mreq (linux/if_packet.h).
const SOCKADDR_LL = { family: 0, protocol: 2, index: 4, size: 20 } as const;
const PACKET_MREQ = { index: 0, type: 4, size: 16 } as const;

/** Every frame that passes an interface, as tcpdump sees them: what nobody asks for in time is dropped by the kernel. */
export class PacketSocket implements Disposable {
  readonly #fd: number;
  readonly #buffer = new MessageBuffer({ maxBytes: MAX_FRAME_BYTES, maxFds: 0 });
  readonly #readiness: Readiness;
  #isOpen = true;

  /** Use {@link openPacketSocket}. The descriptor belongs to the socket. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#readiness = new Readiness(fd);
  }

  /**
   * The next frame, with its link-layer header. For one caller at a time.
   * @throws MeshError ABORTED, LINUX_PACKET_SOCKET_CLOSED when it is closed meanwhile, LINUX_SYSCALL
   */
  async receive(signal?: AbortSignal): Promise<Buffer> {
    for (;;) {
      if (!this.#isOpen) throw closedError();
      const received = this.#buffer.receive(this.#fd);
      if (typeof received !== "string") return received.data;
      await this.#readiness.wait("readable", signal);
    }
  }

  /** Closing twice is harmless. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#readiness.close(closedError());
    this.#buffer[Symbol.dispose]();
    closeSync(this.#fd);
  }
}

/**
 * Opens a socket that receives what passes an interface, in both directions (packet(7)).
 * @throws MeshError LINUX_CAPABILITY_MISSING (CAP_NET_RAW), LINUX_ARGUMENT_INVALID if there is no such interface, LINUX_SYSCALL
 */
export function openPacketSocket({ netns, device }: PacketSocketOptions): PacketSocket {
  const index = interfaceIndex(device, netns);
  const fd = prepared(openSocket(AF_PACKET, SOCK_RAW, netns), (socket) => {
    const purpose = `listen on the interface ${device}`;
    const membership = Buffer.alloc(PACKET_MREQ.size);
    membership.writeInt32LE(index, PACKET_MREQ.index);
    membership.writeUInt16LE(PACKET_MR_PROMISC, PACKET_MREQ.type);
    checked(libc().setsockopt(socket, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership, membership.length), {
      syscall: "setsockopt(PACKET_ADD_MEMBERSHIP)",
      purpose,
    });
    const address = Buffer.alloc(SOCKADDR_LL.size);
    address.writeUInt16LE(AF_PACKET, SOCKADDR_LL.family);
    address.writeUInt16BE(ETH_P_ALL, SOCKADDR_LL.protocol);
    address.writeInt32LE(index, SOCKADDR_LL.index);
    checked(libc().bind(socket, address, address.length), { syscall: "bind", purpose });
  });
  return new PacketSocket(fd);
}

function interfaceIndex(device: string, netns: NetnsRef | undefined): number {
  const look = (): number => libc().if_nametoindex(device);
  const index = netns ? inNetns(netns, look) : look();
  if (index > 0) return index;
  const place = netns ? ` in ${netns.id}` : "";
  throw linuxErrors.create("LINUX_ARGUMENT_INVALID", `there is no interface "${device}"${place}`);
}

function closedError(): Error {
  return linuxErrors.create("LINUX_PACKET_SOCKET_CLOSED", "the packet socket was closed by its owner");
}
