// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import {
  NetworkPlan,
  bindUdp,
  createNetns,
  linuxErrors,
  openPacketSocket,
  type Netns,
  type PacketSocket,
} from "../../src/index.ts";
import { mayUseNetns } from "./two-pods.ts";

/** Two hosts on a bridge that does not belong to either. */
async function bridged(bridge: Netns, a: Netns, b: Netns): Promise<void> {
  await new NetworkPlan()
    .bridge({ netns: bridge, name: "br0" })
    .veth({ netns: bridge, name: "va", bridge: "br0" }, { netns: a, name: "eth0", addresses: ["10.0.0.1/24"] })
    .veth({ netns: bridge, name: "vb", bridge: "br0" }, { netns: b, name: "eth0", addresses: ["10.0.0.2/24"] })
    .apply();
}

async function sendFrom(netns: Netns, text: string): Promise<void> {
  const socket = await bindUdp({ netns, address: "10.0.0.1", port: 0 });
  socket.send(text, 9, "10.0.0.2");
  await once(socket, "close", { signal: AbortSignal.timeout(50) }).catch(() => {});
  socket.close();
}

async function frameWith(socket: PacketSocket, text: string): Promise<Buffer> {
  for (;;) {
    const frame = await socket.receive(AbortSignal.timeout(5000));
    if (frame.includes(text)) return frame;
  }
}

describe.runIf(mayUseNetns())("a packet socket", () => {
  it("sees what passes a bridge from host to host, with its Ethernet header", async () => {
    using bridge = createNetns();
    using a = createNetns();
    using b = createNetns();
    await bridged(bridge, a, b);
    using socket = openPacketSocket({ netns: bridge, device: "br0" });
    const seen = frameWith(socket, "a secret");
    await sendFrom(a, "a secret");
    const frame = await seen;
    expect(frame.readUInt16BE(12)).toBe(0x0800);
    expect(frame.subarray(26, 34)).toEqual(Buffer.from([10, 0, 0, 1, 10, 0, 0, 2]));
  });

  it("gives up waiting when it is asked to, and when it is closed", async () => {
    using netns = createNetns();
    await new NetworkPlan().loopback(netns).apply();
    using socket = openPacketSocket({ netns, device: "lo" });
    await expect(socket.receive(AbortSignal.abort())).rejects.toMatchObject({ code: "ABORTED" });
    const waiting = socket.receive();
    socket[Symbol.dispose]();
    await expect(waiting).rejects.toMatchObject({ code: "LINUX_PACKET_SOCKET_CLOSED" });
    await expect(socket.receive()).rejects.toMatchObject({ code: "LINUX_PACKET_SOCKET_CLOSED" });
  });

  it("names an interface that is not there", () => {
    using netns = createNetns();
    expect(() => openPacketSocket({ netns, device: "eth7" })).toThrow(
      linuxErrors.create("LINUX_ARGUMENT_INVALID", `there is no interface "eth7" in ${netns.id}`),
    );
  });
});
