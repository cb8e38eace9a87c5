// SPDX-License-Identifier: Apache-2.0

/** Somebody with something to send. */
export interface PushJob {
  /** Does one bounded piece of work; schedules itself again if there is more. Must not throw. */
  push(): void;
}

/** Limits of what is on its way at a time. */
export interface PushSchedulerOptions {
  /** Work done before the event loop gets its turn. Default 5 ms. */
  readonly sliceMs?: number;
  /** Bytes of responses that may be on their way to clients at once, all together. Default 256 MiB. */
  readonly maxBytesInFlight?: number;
}

export interface PushSchedulerDeps {
  /** Milliseconds that never go back. */
  readonly monotonicMs: () => number;
  /** Calls back after pending I/O was handled; setImmediate outside tests. */
  readonly defer: (callback: () => void) => void;
}

// Responses below this are never held back: together they cost no more than the clients' streams themselves.
const SMALL_BYTES = 64 * 1024;

/**
 * Gives every client its turn: first come, first served, in short slices, so that a push to thousands of clients
 * neither blocks the event loop nor waits for a slow one. Also holds back big responses when many are on their way,
 * which bounds memory when all clients come back at once.
 */
export class PushScheduler {
  readonly #deps: PushSchedulerDeps;
  readonly #sliceMs: number;
  readonly #maxBytes: number;
  readonly #queue = new Set<PushJob>();
  readonly #starved = new Set<PushJob>();
  #isArmed = false;
  #bytesInFlight = 0;

  constructor(deps: PushSchedulerDeps, options: PushSchedulerOptions = {}) {
    this.#deps = deps;
    this.#sliceMs = options.sliceMs ?? 5;
    this.#maxBytes = options.maxBytesInFlight ?? 256 * 1024 * 1024;
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Queues a job once, however often it is called before its turn. */
  schedule(job: PushJob): void {
    this.#queue.add(job);
    this.#arm();
  }

  /** Takes a job out, for good or until it is scheduled again. */
  cancel(job: PushJob): void {
    this.#queue.delete(job);
    this.#starved.delete(job);
    this.#wakeStarved();
  }

  /** Asks to send `bytes`. False: not now; the job is scheduled again when there is room. */
  acquire(bytes: number, job: PushJob): boolean {
    const isAllowed =
      bytes <= SMALL_BYTES || this.#bytesInFlight === 0 || this.#bytesInFlight + bytes <= this.#maxBytes;
    if (!isAllowed) {
      this.#starved.add(job);
      return false;
    }
    this.#bytesInFlight += bytes;
    this.#wakeStarved();
    return true;
  }

  /** Gives back what {@link acquire} took. */
  release(bytes: number): void {
    this.#bytesInFlight -= bytes;
    this.#wakeStarved();
  }

  // One at a time: the one woken wakes the next if there is still room when it has taken its share.
  #wakeStarved(): void {
    const [first] = this.#starved;
    if (!first || this.#bytesInFlight >= this.#maxBytes) return;
    this.#starved.delete(first);
    this.schedule(first);
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#deps.defer(() => this.#run());
  }

  #run(): void {
    this.#isArmed = false;
    const stopAt = this.#deps.monotonicMs() + this.#sliceMs;
    for (const job of this.#queue) {
      this.#queue.delete(job);
      job.push();
      if (this.#deps.monotonicMs() >= stopAt) break;
    }
    if (this.#queue.size > 0) this.#arm();
  }
}
