// SPDX-License-Identifier: Apache-2.0
// Load for the soak run, plain TCP that knows nothing of a mesh. Every byte that comes back is checked.
//   node load.mjs server PORT
//   node load.mjs client HOST PORT IDLE BUSY NEWCOMERS
// The client prints one JSON object a second: {"open", "checked", "newcomers", "broken"} with the reasons of what broke.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const IDLE_PAUSE_MS = 15_000;
const BUSY_PAUSE_MS = 20;
const NEWCOMER_PAUSE_MS = 50;
const MAX_BYTES = 128 * 1024;
const ANSWER_LIMIT_MS = 30_000;

const told = { open: 0, checked: 0, newcomers: 0, broken: [] };

function serve(port) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen({ port, host: "0.0.0.0", backlog: 4096 }, () => console.log(`listening on ${port}`));
}

async function open(host, port) {
  const socket = connect({ host, port, noDelay: true });
  await once(socket, "connect");
  socket.on("error", () => socket.destroy());
  told.open++;
  socket.once("close", () => told.open--);
  return socket;
}

/** Sends some bytes and compares what comes back. */
async function check(socket, size) {
  const sent = randomBytes(size);
  const hash = createHash("sha256");
  let received = 0;
  await new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error("no answer")), ANSWER_LIMIT_MS);
    const onClose = () => reject(new Error(`closed after ${received} of ${size} bytes`));
    socket.once("close", onClose);
    socket.on("data", function onData(chunk) {
      hash.update(chunk);
      received += chunk.length;
      if (received < size) return;
      clearTimeout(limit);
      socket.off("data", onData);
      socket.off("close", onClose);
      resolve();
    });
    socket.write(sent);
  });
  if (hash.digest("hex") !== createHash("sha256").update(sent).digest("hex")) throw new Error("other bytes came back");
  told.checked++;
}

async function forever(name, act) {
  for (;;) {
    try {
      await act();
    } catch (error) {
      told.broken.push(`${name}: ${error.message}`);
      await sleep(1000);
    }
  }
}

async function keep(host, port, pauseMs, sizeOf) {
  const socket = await open(host, port);
  try {
    for (;;) {
      await check(socket, sizeOf());
      await sleep(pauseMs * (0.5 + Math.random()));
    }
  } finally {
    socket.destroy();
  }
}

async function visit(host, port) {
  const socket = await open(host, port);
  try {
    await check(socket, 1024);
    told.newcomers++;
  } finally {
    socket.destroy();
  }
  await sleep(NEWCOMER_PAUSE_MS);
}

function load(host, port, [idle, busy, newcomers]) {
  for (let at = 0; at < idle; at++) void forever("idle", () => keep(host, port, IDLE_PAUSE_MS, () => 64));
  const sizeOf = () => 1 + Math.floor(Math.random() * MAX_BYTES);
  for (let at = 0; at < busy; at++) void forever("busy", () => keep(host, port, BUSY_PAUSE_MS, sizeOf));
  for (let at = 0; at < newcomers; at++) void forever("newcomer", () => visit(host, port));
  setInterval(() => console.log(JSON.stringify({ ...told, broken: told.broken.splice(0, 20) })), 1000);
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === "server") serve(Number(rest[0]));
else load(rest[0], Number(rest[1]), rest.slice(2).map(Number));
