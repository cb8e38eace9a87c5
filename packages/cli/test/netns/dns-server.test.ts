// SPDX-License-Identifier: Apache-2.0
// The DNS server on its sockets. Needs root: npx vitest run --project netns packages/cli
import { once } from "node:events";
import type { Socket } from "node:net";
import { NetworkPlan, bindUdp, connectTcp, createNetns, type Netns } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { decode, encode, streamEncode, type DecodedPacket } from "dns-packet";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startDnsServer } from "../../src/local/dns/dns-server.ts";

const query = (id: number, name: string): object => ({ type: "query", id, questions: [{ type: "A", name }] });

describe.runIf(canUseNetns(process.env))("the DNS server", () => {
  let netns: Netns;
  let server: AsyncDisposable;

  beforeEach(async () => {
    netns = createNetns();
    await new NetworkPlan().loopback(netns).apply();
    server = await startDnsServer({ netns, address: "127.0.0.1", port: 53 }, (name) =>
      name === "a.cluster.local" ? { kind: "addresses", addresses: ["10.96.1.0"] } : { kind: "unknown" },
    );
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    netns[Symbol.dispose]();
  });

  async function askUdp(...messages: readonly Buffer[]): Promise<DecodedPacket> {
    const socket = await bindUdp({ netns, address: "127.0.0.1", port: 0 });
    try {
      const answered = once(socket, "message");
      for (const message of messages) socket.send(message, 53, "127.0.0.1");
      const [answer] = (await answered) as [Buffer];
      return decode(answer);
    } finally {
      socket.close();
    }
  }

  it("answers over UDP, also after nonsense", async () => {
    const nonsense = Buffer.from("not a question at all, but long enough");
    nonsense.writeUInt8(0x80, 2);
    const answer = await askUdp(nonsense, Buffer.alloc(3), encode(query(7, "a.cluster.local")));
    expect(answer).toMatchObject({ id: 7, answers: [{ data: "10.96.1.0" }] });
  });

  async function answersOver(socket: Socket, count: number): Promise<readonly DecodedPacket[]> {
    let received: Buffer = Buffer.alloc(0);
    const answers: DecodedPacket[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        answers.push(decode(received.subarray(2, end)));
        received = received.subarray(end);
      }
      if (answers.length >= count) break;
    }
    return answers;
  }

  it("answers over TCP one after the other, however the messages are cut", async () => {
    const socket = await connectTcp({ netns, host: "127.0.0.1", port: 53 });
    const messages = Buffer.concat([1, 2, 3].map((id) => streamEncode(query(id, "a.cluster.local"))));
    const answered = answersOver(socket, 3);
    socket.write(messages.subarray(0, 5));
    socket.write(messages.subarray(5, 40));
    socket.write(messages.subarray(40));
    expect((await answered).map(({ id }) => id)).toEqual([1, 2, 3]);
    socket.destroy();
  });

  it("hangs up on who does not ask", async () => {
    const socket = await connectTcp({ netns, host: "127.0.0.1", port: 53 });
    const answer = streamEncode({ type: "response", id: 1, questions: [] });
    const closed = once(socket.resume(), "end");
    socket.write(answer);
    expect(await closed).toEqual([]);
  });

  it("closes with connections open, and twice", async () => {
    const socket = await connectTcp({ netns, host: "127.0.0.1", port: 53 });
    const closed = once(socket.resume(), "end");
    await server[Symbol.asyncDispose]();
    expect(await closed).toEqual([]);
    await server[Symbol.asyncDispose]();
  });
});
