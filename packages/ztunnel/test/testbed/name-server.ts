// SPDX-License-Identifier: Apache-2.0
import { createServer, type Socket } from "node:net";
import { bindUdp, listenTcp, type NetnsRef } from "@ambientmesh/linux";
import { FrameSplitter, frame } from "../../src/dns/frames.ts";

/** What a name server makes of a question: messages to answer with, none, or (over TCP) a closed connection. */
export type AnswerQuestion = (message: Buffer) => readonly Buffer[] | "close";

/** A name server on port 53 of a pod, that keeps what it was asked and from where. */
export interface NameServer extends AsyncDisposable {
  readonly udp: { readonly message: Buffer; readonly from: string }[];
  readonly tcp: { readonly message: Buffer; readonly from: string }[];
}

export async function startNameServer(netns: NetnsRef, answer: AnswerQuestion): Promise<NameServer> {
  const udp: NameServer["udp"] = [];
  const tcp: NameServer["tcp"] = [];
  const socket = await bindUdp({ netns, address: "0.0.0.0", port: 53 });
  socket.on("message", (message, { address, port }) => {
    udp.push({ message, from: address });
    const answers = answer(message);
    if (answers !== "close") for (const bytes of answers) socket.send(bytes, port, address);
  });
  const open = new Set<Socket>();
  const server = createServer((client) => {
    open.add(client);
    const frames = new FrameSplitter();
    client.on("error", () => client.destroy());
    client.on("data", (chunk: Buffer) => {
      for (const message of frames.push(chunk)) {
        tcp.push({ message: Buffer.from(message), from: client.remoteAddress ?? "" });
        const answers = answer(message);
        if (answers === "close") client.destroy();
        else for (const bytes of answers) client.write(frame(bytes));
      }
    });
  });
  await listenTcp(server, { netns, address: "0.0.0.0", port: 53 });
  return {
    udp,
    tcp,
    async [Symbol.asyncDispose]() {
      socket.close();
      for (const client of open) client.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
