// SPDX-License-Identifier: Apache-2.0
// Loaded into istiod by --import: answers "longest" over IPC with what kept its event loop from turning since the last answer.
import { monitorEventLoopDelay } from "node:perf_hooks";

const RESOLUTION_MS = 5;
const TICK_MS = 2;

/** In ms. The clock also counts the time in which the machine had no core for the process; the CPU time does not. */
export interface LoopDelay {
  readonly longestMs: number;
  readonly p99Ms: number;
  /** Most CPU time of the main thread between two timers that were due. */
  readonly longestCpuMs: number;
}

const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delays.enable();

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};
let before = cpuMs();
let longestCpuMs = 0;
setInterval(() => {
  const now = cpuMs();
  longestCpuMs = Math.max(longestCpuMs, now - before);
  before = now;
}, TICK_MS).unref();

const busy = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
process.on("message", (message) => {
  if (message !== "longest") return;
  const delay: LoopDelay = { longestMs: busy(delays.max), p99Ms: busy(delays.percentile(99)), longestCpuMs };
  process.send?.(delay);
  delays.reset();
  longestCpuMs = 0;
});
process.channel?.unref();
