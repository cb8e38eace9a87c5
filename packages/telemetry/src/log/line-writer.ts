// SPDX-License-Identifier: Apache-2.0
import { write, writeSync } from "node:fs";
import { noMetrics, systemClock, type Clock, type CounterSeries, type Metrics, type Timer } from "@ambientmesh/core";

/** How bytes reach a file descriptor; both report how many were taken. */
export interface FileAccess {
  write(fd: number, bytes: Uint8Array, done: (error: NodeJS.ErrnoException | null, written: number) => void): void;
  writeSync(fd: number, bytes: Uint8Array): number;
}

/** What a line writer stands on. */
export interface LineWriterDeps {
  readonly clock?: Clock;
  /** Gets `ambientmesh_log_lines_dropped_total`. */
  readonly metrics?: Metrics;
  readonly files?: FileAccess;
}

/** Limits of a line writer. */
export interface LineWriterOptions {
  /** Not closed by the writer. */
  readonly fd: number;
  /** Default 10 000, as ztunnel's queue. */
  readonly maxQueuedLines?: number;
  /** Default 8 MiB. */
  readonly maxQueuedBytes?: number;
  /** How long disposing waits for the reader, in ms. Default 2000. */
  readonly drainMs?: number;
  /** The line that tells the reader how many lines are missing. */
  readonly lostNotice: (lines: number) => string;
}

const systemFiles: FileAccess = {
  write: (fd, bytes, done) => write(fd, bytes, done),
  writeSync: (fd, bytes) => writeSync(fd, bytes),
};

/** Whole lines on their way to the kernel. */
interface Batch {
  readonly bytes: Uint8Array;
  readonly lines: number;
}

/** The one asynchronous write; `retry` is set while it waits because the descriptor would have blocked. */
interface Flight {
  batch: Batch;
  readonly sinceMs: number;
  retry?: Timer;
}

const MAX_BATCH_BYTES = 64 * 1024;
const RETRY_MS = 20;
/** A write that has not returned for so long has met a reader that stands still; writing on would block the process. */
const STALLED_MS = 1000;
const MAX_SYNC_WAIT_MS = 500;

/**
 * Writes whole lines to a file descriptor without ever blocking the event loop: one asynchronous write at a time, a
 * bounded queue behind it. What does not fit is dropped and counted, and a notice in the log says so once there is room.
 */
export class LineWriter implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #files: FileAccess;
  readonly #fd: number;
  readonly #maxLines: number;
  readonly #maxBytes: number;
  readonly #drainMs: number;
  readonly #lostNotice: (lines: number) => string;
  readonly #droppedTotal: CounterSeries;
  #queue: string[] = [];
  #queuedBytes = 0;
  #flight: Flight | undefined;
  #isCutLine = false;
  #unreported = 0;
  #dropped = 0;
  #isClosed = false;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(deps: LineWriterDeps, options: LineWriterOptions) {
    this.#clock = deps.clock ?? systemClock;
    this.#files = deps.files ?? systemFiles;
    this.#fd = options.fd;
    this.#maxLines = options.maxQueuedLines ?? 10_000;
    this.#maxBytes = options.maxQueuedBytes ?? 8 * 1024 * 1024;
    this.#drainMs = options.drainMs ?? 2000;
    this.#lostNotice = options.lostNotice;
    this.#droppedTotal = (deps.metrics ?? noMetrics)
      .counter({
        name: "ambientmesh_log_lines_dropped_total",
        help: "Log lines that were lost because the reader of the log was too slow or gone",
      })
      .with({});
    process.on("exit", this.#onExit);
  }

  /** Lines lost since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes a line that ends with a newline. False if it was dropped. */
  write(line: string): boolean {
    if (!this.#hasRoomFor(line)) {
      this.#lose(1);
      return false;
    }
    this.#reportLosses();
    this.#enqueue(line);
    this.#pump();
    return true;
  }

  /**
   * Writes what is queued before returning, for the moment the process ends. A batch that is with the kernel at that
   * moment may land after it. Never waits for a reader that stands still: the lines count as dropped then.
   */
  flushSync(): void {
    this.#reportLosses();
    const flight = this.#flight;
    const batches = [this.#takeBatch(Infinity)];
    if (flight?.retry) {
      flight.retry.cancel();
      batches.unshift(flight.batch);
      this.#flight = undefined;
    }
    const isStalled = flight !== undefined && this.#clock.monotonicMs() - flight.sinceMs > STALLED_MS;
    for (const batch of batches) {
      if (batch.lines > 0 && (isStalled || !this.#writeSync(batch.bytes))) this.#lose(batch.lines);
    }
    this.#idle?.resolve();
  }

  /** Takes no more lines, waits until those inside are written, but not longer than `drainMs`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#reportLosses();
    this.#isClosed = true;
    if (this.#flight) {
      this.#idle = Promise.withResolvers<void>();
      using _deadline = this.#clock.setTimer(this.#drainMs, () => this.flushSync());
      await this.#idle.promise;
    }
    process.off("exit", this.#onExit);
  }

  readonly #onExit = (): void => this.flushSync();

  #hasRoomFor(line: string): boolean {
    return (
      !this.#isClosed &&
      this.#queue.length < this.#maxLines &&
      this.#queuedBytes + Buffer.byteLength(line) <= this.#maxBytes
    );
  }

  #enqueue(line: string): void {
    this.#queue.push(line);
    this.#queuedBytes += Buffer.byteLength(line);
  }

  #lose(lines: number): void {
    this.#dropped += lines;
    this.#unreported += lines;
    this.#droppedTotal.add(lines);
  }

  #reportLosses(): void {
    if (this.#unreported === 0) return;
    const notice = this.#lostNotice(this.#unreported);
    if (!this.#hasRoomFor(notice)) return;
    this.#unreported = 0;
    this.#enqueue(notice);
  }

  #takeBatch(limitBytes: number): Batch {
    let size = 0;
    let lines = 0;
    for (const line of this.#queue) {
      const length = Buffer.byteLength(line);
      if (lines > 0 && size + length > limitBytes) break;
      size += length;
      lines++;
    }
    this.#queuedBytes -= size;
    const text = this.#queue.splice(0, lines).join("");
    const bytes = Buffer.from(this.#isCutLine && lines > 0 ? `\n${text}` : text);
    if (lines > 0) this.#isCutLine = false;
    return { bytes, lines };
  }

  #pump(): void {
    if (this.#flight) return;
    this.#reportLosses();
    const batch = this.#takeBatch(MAX_BATCH_BYTES);
    if (batch.lines === 0) {
      this.#idle?.resolve();
      return;
    }
    this.#flight = { batch, sinceMs: this.#clock.monotonicMs() };
    this.#send(this.#flight);
  }

  #send(flight: Flight): void {
    delete flight.retry;
    this.#files.write(this.#fd, flight.batch.bytes, (error, written) => {
      if (error && isBusy(error)) {
        flight.retry = this.#clock.setTimer(RETRY_MS, () => this.#send(flight), { background: true });
        return;
      }
      if (!error && written < flight.batch.bytes.length) {
        flight.batch = { lines: flight.batch.lines, bytes: flight.batch.bytes.subarray(written) };
        this.#isCutLine = true;
        this.#send(flight);
        return;
      }
      if (error) this.#lose(flight.batch.lines);
      else this.#isCutLine = false;
      this.#flight = undefined;
      this.#pump();
    });
  }

  #writeSync(bytes: Uint8Array): boolean {
    let rest = bytes;
    let waitedMs = 0;
    while (rest.length > 0) {
      try {
        rest = rest.subarray(this.#files.writeSync(this.#fd, rest));
      } catch (error) {
        if (!isBusy(error) || waitedMs >= MAX_SYNC_WAIT_MS) return false;
        waitedMs += RETRY_MS;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
    return true;
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EAGAIN" || error.code === "EBUSY");
}
