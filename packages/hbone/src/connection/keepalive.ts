// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "@ambientmesh/core";

export interface KeepaliveOptions {
  /** Silence after which the peer is asked, in ms. 0: never. */
  readonly intervalMs: number;
  /** How long the peer may take to send anything at all after that. */
  readonly timeoutMs: number;
}

export interface KeepaliveDeps {
  readonly clock: Clock;
  /** Octets received so far: any change proves that the peer is alive. */
  readonly bytesRead: () => number;
  readonly sendPing: () => void;
  readonly onLost: () => void;
}

/** Pings a peer that is silent and notices when it is gone. Everything received counts as an answer. */
export class Keepalive implements Disposable {
  readonly #deps: KeepaliveDeps;
  readonly #options: KeepaliveOptions;
  #timer: Timer | undefined;
  #seen = 0;
  #isAsking = false;

  constructor(deps: KeepaliveDeps, options: KeepaliveOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  start(): void {
    this.#seen = this.#deps.bytesRead();
    if (this.#options.intervalMs > 0) this.#wait(this.#options.intervalMs);
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(delayMs: number): void {
    this.#timer = this.#deps.clock.setTimer(delayMs, () => this.#check(), { background: true });
  }

  #check(): void {
    const received = this.#deps.bytesRead();
    const isSilent = received === this.#seen;
    this.#seen = received;
    if (isSilent && this.#isAsking) {
      this.#deps.onLost();
      return;
    }
    this.#isAsking = isSilent;
    if (isSilent) this.#deps.sendPing();
    this.#wait(isSilent ? this.#options.timeoutMs : this.#options.intervalMs);
  }
}
