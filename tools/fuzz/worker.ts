// SPDX-License-Identifier: Apache-2.0
// The thread that runs one target; the thread that watches it is in run-target.ts.
import { parentPort, workerData } from "node:worker_threads";
import type { FuzzTargets } from "@ambientmesh/testkit";
import { FuzzFailure, fuzz, type FuzzOptions } from "./engine.ts";
import { SharedInput } from "./shared-input.ts";

/** What the watching thread gives. */
export interface WorkerInput {
  /** URL of a module that exports `targets`, and the name of one of them. */
  readonly module: string;
  readonly name: string;
  readonly kept: readonly Uint8Array[];
  readonly options: FuzzOptions;
  readonly memory: SharedArrayBuffer;
}

/** What it is told. */
export type WorkerReport =
  | { readonly kind: "began" }
  | { readonly kind: "failed"; readonly input: Uint8Array; readonly message: string }
  | {
      readonly kind: "done";
      readonly done: number;
      readonly seconds: number;
      readonly corpusSize: number;
      readonly discovered: readonly Uint8Array[];
    };

const { module, name, kept, options, memory } = workerData as WorkerInput;
const shared = new SharedInput(memory);
const tell = (report: WorkerReport): void => parentPort?.postMessage(report);

const target = ((await import(module)) as { targets: FuzzTargets }).targets[name];
if (target === undefined) throw new Error(`${module} has no target ${name}`);
let hasBegun = false;
const observer = {
  taking: (input: Buffer) => shared.set(input),
  progress: () => {
    if (!hasBegun) tell({ kind: "began" });
    hasBegun = true;
  },
};
try {
  const inputs = kept.map((input) => Buffer.from(input));
  tell({ kind: "done", ...(await fuzz(target, inputs, options, observer)) });
} catch (error) {
  if (!(error instanceof FuzzFailure)) throw error;
  tell({ kind: "failed", input: error.input, message: error.message });
}
