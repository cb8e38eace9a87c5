// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";

/** Payload of a PING (RFC 9113 section 6.7). */
const PAYLOAD_BYTES = 8;

/** Numbers pings and times their answers. */
export class RoundTrip {
  readonly #clock: Pick<Clock, "monotonicMs">;
  #pings = 0;
  #askedAtMs = 0;
  #ms: number | undefined;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** The last round trip; undefined before the first. */
  get ms(): number | undefined {
    return this.#ms;
  }

  /** Something goes out that the peer has to answer. */
  ask(): void {
    this.#askedAtMs = this.#clock.monotonicMs();
  }

  /** Its answer is here. */
  answered(): number {
    this.#ms = this.#clock.monotonicMs() - this.#askedAtMs;
    return this.#ms;
  }

  /** The payload of the next ping. */
  nextPing(): Buffer {
    this.ask();
    const payload = Buffer.alloc(PAYLOAD_BYTES);
    payload.writeUInt32BE(++this.#pings, PAYLOAD_BYTES - 4);
    return payload;
  }

  /** Whether an answer belongs to the last ping. */
  isLastPing(payload: Buffer): boolean {
    return payload.readUInt32BE(PAYLOAD_BYTES - 4) === this.#pings;
  }
}
