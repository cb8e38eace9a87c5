// SPDX-License-Identifier: Apache-2.0
import type { DrainWatch } from "@ambientmesh/core";

/** What somebody does in a drain. */
export interface DrainSteps {
  readonly onDraining: () => void;
  readonly onForced: () => void;
}

/** Takes part in a drain, also one that has begun already, until the result is disposed. */
export function followDrain(watch: DrainWatch | undefined, { onDraining, onForced }: DrainSteps): Disposable {
  const over = new AbortController();
  if (watch?.draining.aborted) onDraining();
  if (watch?.forced.aborted) onForced();
  watch?.draining.addEventListener("abort", onDraining, { once: true, signal: over.signal });
  watch?.forced.addEventListener("abort", onForced, { once: true, signal: over.signal });
  return { [Symbol.dispose]: () => over.abort() };
}
