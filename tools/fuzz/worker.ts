// SPDX-License-Identifier: Apache-2.0
// The thread that runs one target; the thread that watches it is in run-target.ts.
import { parentPort, workerData } from "node:worker_threads";
import { findTargets, keptInputs } from "./discover.ts";
import { FuzzFailure, fuzz, type FuzzOptions } from "./engine.ts";
import { SharedInput } from "./shared-input.ts";

/** What the watching thread gives. */
export interface WorkerInput {
  readonly id: string;
  readonly options: FuzzOptions;
  readonly memory: SharedArrayBuffer;
}

/** What it is told. */
export type WorkerReport =
  | { readonly kind: "began" }
  | { readonly kind: "progress"; readonly done: number }
  | { readonly kind: "failed"; readonly input: Uint8Array; readonly message: string }
  | {
      readonly kind: "done";
      readonly done: number;
      readonly seconds: number;
      readonly corpusSize: number;
      readonly discovered: readonly Uint8Array[];
    };

const { id, options, memory } = workerData as WorkerInput;
const shared = new SharedInput(memory);
const tell = (report: WorkerReport): void => parentPort?.postMessage(report);

const found = (await findTargets(id.split("/")[0])).find((each) => each.id === id);
if (found === undefined) throw new Error(`there is no target ${id}`);
try {
  const kept = keptInputs(id).values();
  let hasBegun = false;
  const progress = (done: number): void => {
    if (!hasBegun) tell({ kind: "began" });
    hasBegun = true;
    if (done % 100_000 === 0) tell({ kind: "progress", done });
  };
  const result = await fuzz(found.target, kept, options, { taking: (input) => shared.set(input), progress });
  tell({ kind: "done", ...result });
} catch (error) {
  if (!(error instanceof FuzzFailure)) throw error;
  tell({ kind: "failed", input: error.input, message: error.message });
}
