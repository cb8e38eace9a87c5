// SPDX-License-Identifier: Apache-2.0
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  NetworkPlan,
  applyNftables,
  canonicalNftables,
  connectSeqpacket,
  connectTcp,
  createNetns,
  inNetns,
  listenSeqpacket,
  listenTcp,
  openTcpListener,
  originalDestination,
} from "../src/index.ts";

// What one call costs. As root: node --conditions=@ambientmesh/source packages/linux/bench/calls.ts

async function measure(name: string, rounds: number, work: () => unknown): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await work();
    times.push((performance.now() - start) * 1000);
  }
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(1);
  console.log(`${name.padEnd(44)} p50 ${at(0.5).padStart(8)} us   p99 ${at(0.99).padStart(8)} us`);
}

const folder = mkdtempSync(join(tmpdir(), "linux-bench-"));
using pod = createNetns();
await new NetworkPlan().loopback(pod).apply();
const server = createServer();
const { port } = await listenTcp(server, { netns: pod, address: "::", port: 0, backlog: 4096 });
const accepted = once(server, "connection") as Promise<[Socket]>;
const client = await connectTcp({ netns: pod, host: "127.0.0.1", port });
const [socket] = await accepted;
server.on("connection", (other: Socket) => other.destroy());
const rules =
  "table inet t\ndelete table inet t\ntable inet t {\n chain c {\n type nat hook output priority -100\n tcp dport 1 redirect to :2\n }\n }";
using listener = listenSeqpacket({ path: join(folder, "s.sock") });
using near = connectSeqpacket(listener.path);
using far = await listener.accept();
const message = Buffer.from("add");

await measure("inNetns, nothing inside", 20_000, () => inNetns(pod, () => 0));
await measure("originalDestination", 20_000, () => originalDestination(socket));
await measure("openTcpListener + close", 20_000, () =>
  closeSync(openTcpListener({ netns: pod, address: "::", port: 0, mark: 1337, transparent: true })),
);
await measure("connectTcp + destroy", 5000, async () =>
  (await connectTcp({ netns: pod, host: "127.0.0.1", port, mark: 1337 })).destroy(),
);
await measure("seqpacket: message ready", 20_000, async () => {
  await near.send(message);
  await far.receive();
});
await measure("seqpacket: receiver waits", 20_000, async () => {
  const waiting = far.receive();
  await near.send(message);
  await waiting;
});
await measure("seqpacket: namespace passed and closed", 5000, async () => {
  const waiting = far.receive();
  await near.send(message, { fds: [pod.fd] });
  (await waiting)?.fds.forEach(closeSync);
});
await measure("createNetns + close", 200, () => createNetns()[Symbol.dispose]());
await measure("applyNftables", 100, () => applyNftables(rules, { netns: pod }));
await measure("canonicalNftables", 50, () => canonicalNftables(rules));

client.destroy();
socket.destroy();
server.close();
rmSync(folder, { recursive: true });
