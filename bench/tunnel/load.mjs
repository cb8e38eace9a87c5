// SPDX-License-Identifier: Apache-2.0
// Load for the tunnel benchmark, plain TCP that knows nothing of a mesh.
//   node load.mjs server PORT
//   node load.mjs client HOST:PORT bulk|requests|connections SECONDS CONNECTIONS
// The client prints one JSON object: {"units", "seconds", "p50Ms", "p99Ms"}; units are bytes, requests or connections.
import { connect, createServer } from "node:net";

const REQUEST_BYTES = 1024;
const CHUNK = Buffer.alloc(256 * 1024, 7);
const REQUEST = Buffer.alloc(REQUEST_BYTES, 1);

/** First byte of a connection tells what it is for: B sinks bytes, R answers each 1 KiB with 1 KiB. */
function serve(port) {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    let pending = -1;
    let total = 0;
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end(pending === -2 ? `${total}` : undefined));
    socket.on("data", (chunk) => {
      let bytes = chunk.length;
      if (pending === -1) {
        pending = chunk[0] === 0x42 ? -2 : 0;
        bytes--;
      }
      total += bytes;
      if (pending === -2) return;
      pending += bytes;
      for (; pending >= REQUEST_BYTES; pending -= REQUEST_BYTES) socket.write(REQUEST);
    });
  });
  server.listen({ port, host: "0.0.0.0", backlog: 4096 }, () => console.log(`listening on ${port}`));
}

function open(target, firstByte) {
  const [host, port] = target.split(":");
  const socket = connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
  socket.on("error", (error) => {
    console.error(`connection failed: ${error.message}`);
    process.exit(1);
  });
  socket.write(firstByte);
  return socket;
}

/** Writes until the deadline, then waits until the server has told how much it got. */
function bulk(target, deadline) {
  return new Promise((resolve) => {
    const socket = open(target, "B");
    let told = "";
    const pump = () => {
      while (performance.now() < deadline) if (!socket.write(CHUNK)) return;
      socket.off("drain", pump);
      socket.end();
    };
    socket.on("drain", pump);
    socket.on("data", (chunk) => (told += chunk));
    socket.on("end", () => resolve(Number(told)));
    pump();
  });
}

/** Requests one after another on one connection. */
function requests(target, deadline, latencies) {
  return new Promise((resolve) => {
    const socket = open(target, "R");
    let missing = REQUEST_BYTES;
    let count = 0;
    let sentAt = performance.now();
    socket.write(REQUEST);
    socket.on("data", (chunk) => {
      missing -= chunk.length;
      if (missing > 0) return;
      const now = performance.now();
      latencies.push(now - sentAt);
      count++;
      if (now >= deadline) return socket.end();
      missing = REQUEST_BYTES;
      sentAt = now;
      socket.write(REQUEST);
    });
    socket.on("end", () => resolve(count));
  });
}

/** Connections one after another, one request on each. */
async function connections(target, deadline, latencies) {
  let count = 0;
  while (performance.now() < deadline) {
    const startedAt = performance.now();
    await requests(target, 0, []);
    latencies.push(performance.now() - startedAt);
    count++;
  }
  return count;
}

async function load(target, kind, seconds, concurrency) {
  const run = { bulk, requests, connections }[kind];
  const latencies = [];
  const startedAt = performance.now();
  const deadline = startedAt + seconds * 1000;
  const units = await Promise.all(Array.from({ length: concurrency }, () => run(target, deadline, latencies)));
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? null;
  console.log(
    JSON.stringify({
      units: units.reduce((sum, count) => sum + count, 0),
      seconds: (performance.now() - startedAt) / 1000,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
    }),
  );
}

const [role, ...args] = process.argv.slice(2);
if (role === "server") serve(Number(args[0]));
else await load(args[0], args[1], Number(args[2]), Number(args[3]));
