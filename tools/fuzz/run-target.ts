// SPDX-License-Identifier: Apache-2.0
import { Worker } from "node:worker_threads";
import type { FuzzOptions } from "./engine.ts";
import { SharedInput } from "./shared-input.ts";
import type { WorkerInput, WorkerReport } from "./worker.ts";

/** What one input may use up. */
export interface InputLimits {
  /** CPU time. */
  readonly hangMs: number;
  /** Heap of the whole target. */
  readonly maxHeapMegabytes: number;
}

const DEFAULT_LIMITS: InputLimits = { hangMs: 1000, maxHeapMegabytes: 1024 };
const LOOK_MS = 100;

/** What came of a target. */
export interface TargetReport {
  readonly done: number;
  readonly seconds: number;
  readonly corpusSize: number;
  readonly discovered: readonly Uint8Array[];
  /** Resident octets of the process when the first inputs were through, at most, and at the end. */
  readonly rss: { readonly start: number; readonly peak: number; readonly end: number };
  readonly failure?: { readonly message: string; readonly input: Uint8Array };
}

type End = Extract<WorkerReport, { kind: "done" | "failed" }>;

/** Runs one target in a thread of its own and watches time and memory from outside. */
export async function runTarget(
  { module, name, kept }: Pick<WorkerInput, "module" | "name" | "kept">,
  options: FuzzOptions,
  { hangMs, maxHeapMegabytes }: InputLimits = DEFAULT_LIMITS,
): Promise<TargetReport> {
  const shared = new SharedInput();
  const workerData: WorkerInput = { module, name, kept, options, memory: shared.memory };
  const worker = new Worker(new URL("worker.ts", import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes },
  });
  const rss = { start: 0, peak: 0, end: 0 };
  const ended = Promise.withResolvers<End>();
  const stuck = stuckDetector(shared, hangMs);
  const fail = (message: string): void => ended.resolve({ kind: "failed", message, input: shared.get() });
  const watch = setInterval(() => {
    rss.peak = Math.max(rss.peak, process.memoryUsage.rss());
    if (stuck()) fail(`took more than ${hangMs} ms of CPU time`);
  }, LOOK_MS);
  worker.on("message", (report: WorkerReport) => {
    if (report.kind === "began") rss.start = process.memoryUsage.rss();
    else ended.resolve(report);
  });
  worker.on("error", (error) => fail(error.stack ?? error.message));
  try {
    const end = await ended.promise;
    rss.end = process.memoryUsage.rss();
    rss.peak = Math.max(rss.peak, rss.end);
    if (end.kind === "done") return { ...end, rss };
    const { message, input } = end;
    return { done: 0, seconds: 0, corpusSize: 0, discovered: [], rss, failure: { message, input } };
  } finally {
    clearInterval(watch);
    await worker.terminate();
  }
}

/** True when one input has used up its CPU time; time that others have the processor does not count. */
function stuckDetector(shared: SharedInput, hangMs: number): () => boolean {
  let count = 0;
  let since = process.cpuUsage();
  return () => {
    if (count !== shared.count || count === 0) {
      count = shared.count;
      since = process.cpuUsage();
      return false;
    }
    const { user, system } = process.cpuUsage(since);
    return (user + system) / 1000 > hangMs;
  };
}
