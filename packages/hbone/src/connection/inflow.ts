// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import { DEFAULT_WINDOW, H2Code, MAX_WINDOW } from "../h2/constants.ts";
import { ConnectionFault } from "../h2/connection-fault.ts";

/** The receiving half of a stream, as the {@link Inflow} sees it. */
export interface ReceiveSide {
  readonly id: number;
  /** What the peer may still send on this stream. */
  receiveWindow: number;
  /** {@link receiveWindow} plus what was received and not given back: grows and shrinks with the reader's speed. */
  windowSize: number;
  /** Consumed, but not yet given back to the peer. */
  unreturned: number;
  /** Received, but not consumed. */
  held: number;
  /** When the window was last given back, on the monotonic clock. */
  returnedAtMs: number;
  /** The peer can't send any more. */
  isRemoteEnded: boolean;
}

/** Sizes in octets. */
export interface WindowLimits {
  /** Every stream has it from the start, guaranteed; at least 65,535. */
  readonly initial: number;
  /** What a stream may grow to. */
  readonly max: number;
  /** What all streams of the connection may grow by, together. */
  readonly growth: number;
  /** Most streams at a time. */
  readonly streams: number;
}

/** The connection's window is given back in steps of this size, and is this much larger than its streams' together. */
const CONNECTION_STEP = 1024 * 1024;
/** Half a window used up in less than this many round trips means that the window is what limits the sender. */
const FAST_ROUND_TRIPS = 4;
const MIN_FAST_MS = 20;
/** A stream this slow gives back what it had grown by. */
const SLOW_MS = 1000;

/**
 * Flow control of what a connection receives. Windows are given back when bytes have left for the app.
 *
 * Each stream begins with a small window and gets more while its reader keeps up. The connection's window is the sum of
 * what all streams may have, so it never runs out before they do: readers that stall hold up nobody else, and the
 * connection never holds more than {@link bound}.
 */
export class Inflow {
  readonly #limits: WindowLimits;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #sendUpdate: (streamId: number, increment: number) => void;
  #window: number;
  #unreturned = 0;
  #held = 0;
  #peakHeld = 0;
  #growthLeft: number;
  #fastMs: number = MIN_FAST_MS;

  constructor(
    limits: WindowLimits,
    clock: Pick<Clock, "monotonicMs">,
    sendUpdate: (streamId: number, increment: number) => void,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#sendUpdate = sendUpdate;
    this.#growthLeft = limits.growth;
    this.#window = DEFAULT_WINDOW;
  }

  /** Most octets that can ever be held. */
  get bound(): number {
    const { initial, streams, growth } = this.#limits;
    return Math.min(initial * streams + growth + CONNECTION_STEP, MAX_WINDOW);
  }

  /** Octets received and not yet consumed. */
  get held(): number {
    return this.#held;
  }

  get peakHeld(): number {
    return this.#peakHeld;
  }

  /** Nothing is left for streams to grow by: bulk readers of this connection hold it all. */
  get isExhausted(): boolean {
    const { growth, initial } = this.#limits;
    return growth > 0 && this.#growthLeft < Math.min(growth, initial);
  }

  /** Opens the connection's window from the protocol's default. */
  open(): void {
    const increment = this.bound - this.#window;
    if (increment <= 0) return;
    this.#window += increment;
    this.#sendUpdate(0, increment);
  }

  setRoundTrip(ms: number): void {
    this.#fastMs = Math.max(MIN_FAST_MS, ms * FAST_ROUND_TRIPS);
  }

  /** The state a new stream starts with. */
  initialState(): Omit<ReceiveSide, "id"> {
    const { initial } = this.#limits;
    return {
      receiveWindow: initial,
      windowSize: initial,
      unreturned: 0,
      held: 0,
      returnedAtMs: this.#clock.monotonicMs(),
      isRemoteEnded: false,
    };
  }

  /**
   * Counts a DATA frame that begins. False: it exceeds the stream's window, and counts for the connection only.
   * @throws ConnectionFault when the connection's window is exceeded.
   */
  receive(side: ReceiveSide | undefined, length: number): boolean {
    if (length > this.#window) {
      throw new ConnectionFault(H2Code.flowControlError, "the peer sent more than the connection's window");
    }
    this.#window -= length;
    this.#held += length;
    if (this.#held > this.#peakHeld) this.#peakHeld = this.#held;
    if (side === undefined || length > side.receiveWindow) {
      this.#returnToConnection(length);
      return false;
    }
    side.receiveWindow -= length;
    side.held += length;
    return true;
  }

  /** Bytes have left for the app: the peer may send as many again. */
  consumed(side: ReceiveSide, count: number): void {
    // Nothing is held any more when the stream was abandoned while its reader was busy.
    const counted = Math.min(count, side.held);
    side.held -= counted;
    this.#returnToConnection(counted);
    if (side.isRemoteEnded) return;
    side.unreturned += counted;
    if (side.unreturned * 2 >= side.windowSize) this.#returnToStream(side);
  }

  /** The peer sends no more on this stream: what it had grown by is free for others. What it holds is still read. */
  finish(side: ReceiveSide): void {
    this.#growthLeft += side.windowSize - this.#limits.initial;
    side.windowSize = this.#limits.initial;
    side.isRemoteEnded = true;
  }

  /** The stream was reset: what it held is thrown away. */
  abandon(side: ReceiveSide): void {
    this.finish(side);
    if (side.held > 0) this.#returnToConnection(side.held);
    side.held = 0;
  }

  #returnToConnection(count: number): void {
    this.#held -= count;
    this.#unreturned += count;
    if (this.#unreturned < CONNECTION_STEP) return;
    this.#window += this.#unreturned;
    this.#sendUpdate(0, this.#unreturned);
    this.#unreturned = 0;
  }

  #returnToStream(side: ReceiveSide): void {
    const now = this.#clock.monotonicMs();
    const change = this.#change(side, now - side.returnedAtMs);
    const increment = side.unreturned + change;
    side.returnedAtMs = now;
    side.windowSize += change;
    side.unreturned = 0;
    side.receiveWindow += increment;
    this.#growthLeft -= change;
    if (increment > 0) this.#sendUpdate(side.id, increment);
  }

  /** How much the window should grow, or shrink if negative, after half of it took `elapsedMs` to be read. */
  #change(side: ReceiveSide, elapsedMs: number): number {
    const { initial, max } = this.#limits;
    if (elapsedMs < this.#fastMs) return Math.min(side.windowSize, max - side.windowSize, this.#growthLeft);
    if (elapsedMs > SLOW_MS) return -Math.min(side.windowSize - initial, side.unreturned);
    return 0;
  }
}
