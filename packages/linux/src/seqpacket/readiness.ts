// SPDX-License-Identifier: Apache-2.0
import { abortedError } from "@ambientmesh/core";
import { koffi, type Koffi } from "../libc/koffi.ts";

type PollHandle = ReturnType<Koffi["node"]["poll"]>;
type Direction = "readable" | "writable";

interface Waiter {
  readonly direction: Direction;
  readonly settle: (error?: Error) => void;
}

/**
 * Waits on the event loop until a descriptor can be read or written, by koffi's `uv_poll` handle: no thread is
 * blocked, and nothing keeps the process alive while nobody waits. The owner of the descriptor closes this first.
 */
export class Readiness {
  readonly #fd: number;
  readonly #waiters = new Set<Waiter>();
  #handle: PollHandle | undefined;
  #closedBy: Error | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Resolves when the descriptor may be ready: the caller tries, and waits again if it was not.
   * @throws MeshError ABORTED, or the error given to {@link close}
   */
  async wait(direction: Direction, signal?: AbortSignal): Promise<void> {
    if (this.#closedBy) throw this.#closedBy;
    if (signal?.aborted) throw abortedError(signal, "waiting for a socket");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { direction, settle: (error) => (error ? reject(error) : resolve()) };
    const onAbort = (): void => {
      if (signal) waiter.settle(abortedError(signal, "waiting for a socket"));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#waiters.add(waiter);
    try {
      this.#watch();
      await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#waiters.delete(waiter);
      this.#watch();
    }
  }

  /** Fails all who wait. The descriptor may be closed as soon as this returns. Closing twice is harmless. */
  close(error: Error): void {
    if (this.#closedBy) return;
    this.#closedBy = error;
    this.#handle?.close();
    for (const waiter of this.#waiters) waiter.settle(error);
  }

  #watch(): void {
    if (this.#closedBy) return;
    const directions = new Set([...this.#waiters].map(({ direction }) => direction));
    if (directions.size === 0) return this.#handle?.stop();
    const events = { readable: directions.has("readable"), writable: directions.has("writable") };
    if (this.#handle) this.#handle.start(events, this.#onEvent);
    else this.#handle = koffi().node.poll(this.#fd, events, this.#onEvent);
  }

  // Errors and hang-ups count as events too: the next call on the descriptor tells them apart.
  readonly #onEvent = (): void => {
    this.#handle?.stop();
    const waiters = [...this.#waiters];
    // koffi calls back from inside the poll phase; promises are settled where Node expects JavaScript to run.
    setImmediate(() => waiters.forEach((waiter) => waiter.settle()));
  };
}
