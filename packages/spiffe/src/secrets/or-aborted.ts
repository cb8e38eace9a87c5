// SPDX-License-Identifier: Apache-2.0
import { abortedError } from "@ambientmesh/core";

/**
 * The outcome of `work`, or ABORTED as soon as the signal aborts; then nobody waits for `work` any longer and its outcome is dropped.
 * `what` names the work in the error message.
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined, what: string): Promise<T> {
  if (signal === undefined) return work;
  const withdrawn = Promise.withResolvers<never>();
  const onAbort = (): void => withdrawn.reject(abortedError(signal, what));
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work, withdrawn.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
