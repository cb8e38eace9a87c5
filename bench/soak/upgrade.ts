// SPDX-License-Identifier: Apache-2.0
// npm run soak:upgrade -- [--idle 1000] [--busy 100] [--times 20]
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { raiseOpenFileLimit } from "@ambientmesh/linux";
import { residentMegabytes } from "../tunnel/cpu.ts";
import { UpgradeBed, type Proxy } from "./upgrade-bed.ts";

const PORT = 8080;
const NEWCOMERS = 4;
const BUSY_PAUSE_MS = 100;
/** Connections that are opened at once at the start. */
const OPENING = 50;

const { values } = parseArgs({
  options: {
    idle: { type: "string", default: "1000" },
    busy: { type: "string", default: "100" },
    times: { type: "string", default: "20" },
  },
});
const [idleCount, busyCount, times] = [Number(values.idle), Number(values.busy), Number(values.times)];

raiseOpenFileLimit();
await using bed = await UpgradeBed.create();
await bed.serve(PORT);
let current = await bed.startProxy();
const old: Proxy[] = [];
const broken: string[] = [];
const done = new AbortController();
const idle = await openMany(idleCount);
const busy = await openMany(busyCount);
let [answers, requests] = [0, 0];
for (const socket of [...idle, ...busy]) await check(socket, 32);
console.error(`${idle.length} idle and ${busy.length} busy connections are open`);
const work = [...busy.map((socket) => keepBusy(socket)), ...Array.from({ length: NEWCOMERS }, () => visit())];
for (let upgrade = 1; upgrade <= times; upgrade++) {
  const next = await bed.startProxy();
  current.child.kill("SIGTERM");
  old.push(current);
  current = next;
  await sleep(500);
  console.error(
    `upgrade ${upgrade}: ${answers} answers, ${requests} new connections, ${broken.length} broken; ${memory()}`,
  );
}
done.abort();
await Promise.all(work);
for (const socket of idle) await check(socket, 32).catch((error: unknown) => broken.push(`idle: ${String(error)}`));
const living = old.filter(({ child }) => child.exitCode === null).length;
console.log(
  `${times} upgrades with ${idleCount} idle and ${busyCount} busy connections opened before the first: ` +
    `${broken.length} broken, ${answers} answers and ${requests} new connections checked; ` +
    `${living} old process(es) still carried connections: ${memory()}`,
);
for (const text of broken.slice(0, 20)) console.log(`broken: ${text}`);
for (const socket of [...idle, ...busy]) socket.destroy();
await Promise.all(old.map(({ ended }) => ended));
console.log("all old processes have ended by themselves");
if (broken.length > 0) process.exitCode = 1;

function memory(): string {
  const alive = old
    .filter(({ child }) => child.exitCode === null)
    .map(({ child }) => residentMegabytes(child.pid ?? 0));
  return `old ${alive.map((size) => `${size.toFixed(0)} MB`).join(", ") || "none"}, new ${residentMegabytes(current.child.pid ?? 0).toFixed(0)} MB`;
}

async function openMany(count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(OPENING, count - sockets.length) }, () => bed.open(PORT));
    sockets.push(...(await Promise.all(some)));
  }
  for (const socket of sockets) socket.on("error", () => socket.destroy());
  return sockets;
}

/** Sends some bytes and compares what comes back. */
async function check(socket: Socket, size: number): Promise<void> {
  const sent = randomBytes(size);
  let received = Buffer.alloc(0);
  socket.write(sent);
  while (received.length < size) {
    const part = await next(socket);
    if (part === undefined) throw new Error(`closed after ${received.length} of ${size} bytes`);
    received = Buffer.concat([received, part]);
  }
  if (!received.equals(sent)) throw new Error("other bytes came back");
}

/** What comes next; undefined if the other side ended or broke. */
async function next(socket: Socket): Promise<Buffer | undefined> {
  if (socket.destroyed || socket.readableEnded) return undefined;
  const over = new AbortController();
  const { signal } = over;
  const data = once(socket, "data", { signal }).then(([chunk]) => chunk as Buffer);
  const gone = Promise.race([once(socket, "end", { signal }), once(socket, "close", { signal })]).then(() => undefined);
  try {
    return await Promise.race([data, gone]);
  } finally {
    data.catch(() => undefined);
    gone.catch(() => undefined);
    over.abort();
  }
}

async function keepBusy(socket: Socket): Promise<void> {
  try {
    while (!done.signal.aborted) {
      await check(socket, 2048);
      answers++;
      await sleep(BUSY_PAUSE_MS);
    }
  } catch (error) {
    broken.push(`busy: ${String(error)}`);
  }
}

async function visit(): Promise<void> {
  while (!done.signal.aborted) {
    try {
      const socket = await bed.open(PORT);
      socket.on("error", () => socket.destroy());
      await check(socket, 64);
      socket.destroy();
      requests++;
    } catch (error) {
      broken.push(`new: ${String(error)}`);
    }
    await sleep(10);
  }
}
