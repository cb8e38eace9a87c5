// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";

/** The user's wish to end, from the first signal on. */
export interface StopSignals extends Disposable {
  /** Aborts with the first signal. */
  readonly signal: AbortSignal;
  /** Which signal that was. */
  readonly received: NodeJS.Signals | undefined;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** npm passes Ctrl-C on to programs that have got it from the terminal already. */
const SAME_WISH_MS = 500;

/**
 * Listens for signals until disposed.
 * @param onForce called for the second wish, and the process is to end then
 */
export function listenForStop(clock: Clock, onForce: () => void): StopSignals {
  const stop = new AbortController();
  let received: NodeJS.Signals | undefined;
  let firstAtMs = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (received === undefined) {
      received = signal;
      firstAtMs = clock.monotonicMs();
      stop.abort();
    } else if (clock.monotonicMs() - firstAtMs >= SAME_WISH_MS) onForce();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    signal: stop.signal,
    get received() {
      return received;
    },
    [Symbol.dispose]() {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
