// SPDX-License-Identifier: Apache-2.0
import { coreErrors } from "../errors.ts";

/** A timer that has one owner, who cancels it. Cancelling twice is harmless. */
export interface Timer extends Disposable {
  cancel(): void;
}

/** The only source of time and timers; tests pass a fake one. */
export interface Clock {
  /** Milliseconds since 1970, may jump. */
  now(): number;
  /** Milliseconds from an arbitrary start, never goes back. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`. A timer keeps the process alive unless `background` is set. */
  setTimer(delayMs: number, callback: () => void, options?: { readonly background?: boolean }): Timer;
  /** Resolves after `delayMs`; rejects with ABORTED as soon as `signal` aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

// setTimeout turns longer delays into 1 ms.
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The error for work given up because `signal` aborted; its reason becomes the cause. */
export function abortedError(signal: AbortSignal, what: string): Error {
  return coreErrors.create("ABORTED", `${what} was given up`, { cause: signal.reason });
}

/** {@link Clock.sleep} on top of {@link Clock.setTimer}. */
export function sleepWith(clock: Pick<Clock, "setTimer">, delayMs: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal?.aborted) {
    reject(abortedError(signal, "a wait"));
    return promise;
  }
  const timer = clock.setTimer(delayMs, () => {
    signal?.removeEventListener("abort", onAbort);
    resolve();
  });
  function onAbort(): void {
    timer.cancel();
    if (signal) reject(abortedError(signal, "a wait"));
  }
  signal?.addEventListener("abort", onAbort, { once: true });
  return promise;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback, options) {
    const handle = setTimeout(callback, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS));
    if (options?.background) handle.unref();
    const cancel = (): void => clearTimeout(handle);
    return { cancel, [Symbol.dispose]: cancel };
  },
  sleep: (delayMs, signal) => sleepWith(systemClock, delayMs, signal),
};
