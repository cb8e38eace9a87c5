// SPDX-License-Identifier: Apache-2.0
import { fork, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { systemClock } from "@ambientmesh/core";
import { GrpcListener, ResourceCache, XdsServer, serveXds } from "../src/index.ts";
import { BENCH_TYPE, type Report } from "./protocol.ts";

const [clients = 2000, resources = 1000, changes = 100] = process.argv.slice(2).map(Number);
const PROCESSES = 2;
const RESOURCE_BYTES = 200;

/** The processes with the clients. */
class Crowd implements Disposable {
  readonly #children: ChildProcess[];
  readonly #waiting = new Map<string, { left: number; done: () => void }>();

  constructor(address: string) {
    const script = new URL("clients.ts", import.meta.url);
    this.#children = Array.from({ length: PROCESSES }, () => fork(script, [address, `${clients / PROCESSES}`]));
    for (const child of this.#children) child.on("message", (report) => this.#note(report as Report));
  }

  /** Resolves when every process reported this. */
  all(what: string): Promise<void> {
    return new Promise((done) => this.#waiting.set(what, { left: PROCESSES, done }));
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.disconnect();
  }

  #note(report: Report): void {
    const what = report.kind === "synced" ? "synced" : report.value;
    const waiting = this.#waiting.get(what);
    if (!waiting || --waiting.left > 0) return;
    this.#waiting.delete(what);
    waiting.done();
  }
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
const cpuMs = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};
const sent = (server: XdsServer): number => server.clients().reduce((sum, { bytesSent }) => sum + bytesSent, 0);

using cache = new ResourceCache({ clock: systemClock }, { quietMs: 0 });
const store = cache.store(BENCH_TYPE);
store.replaceAll(
  Array.from({ length: resources }, (_, at) => ({ name: `resource-${at}`, value: randomBytes(RESOURCE_BYTES) })),
);
cache.flush();
await using server = new XdsServer({ clock: systemClock }, { types: [{ typeUrl: BENCH_TYPE, source: store }] });
await using listener = new GrpcListener({ clock: systemClock }, { host: "127.0.0.1", port: 0, drainMs: 1000 });
serveXds(server, listener, () => ({ outcome: "authenticated", identity: undefined }));
await listener.start();
server.markReady();

const syncCpu = process.cpuUsage();
using crowd = new Crowd(`localhost:${listener.address?.port}`);
await crowd.all("synced");
const fullBytes = sent(server) / clients;
console.log(`${clients} clients, ${resources} resources of ${RESOURCE_BYTES} B, ${changes} changes`);
console.log(`initial sync: ${(cpuMs(syncCpu) / clients).toFixed(3)} ms CPU and ${fullBytes.toFixed(0)} B per client`);

const loop = monitorEventLoopDelay({ resolution: 1 });
loop.enable();
const before = process.cpuUsage();
const latencies: number[] = [];
for (let round = 0; round < changes; round++) {
  const received = crowd.all(`${round}`);
  const startedAt = performance.now();
  store.set({ name: "marker", value: Buffer.from(`${round}`) });
  await received;
  latencies.push(performance.now() - startedAt);
}
const perChange = cpuMs(before) / changes;
loop.disable();
latencies.sort((a, b) => a - b);
console.log(`one change: ${perChange.toFixed(1)} ms CPU, ${((perChange * 1000) / clients).toFixed(1)} µs per client`);
console.log(
  `to the last client: p50 ${percentile(latencies, 0.5).toFixed(0)} ms, p99 ${percentile(latencies, 0.99).toFixed(0)} ms`,
);
console.log(`event loop blocked at most ${(loop.max / 1e6).toFixed(0)} ms`);
console.log(`memory: ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB resident`);
