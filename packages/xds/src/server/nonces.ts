// SPDX-License-Identifier: Apache-2.0

/** A rejection by a client. */
export interface Nack {
  readonly nonce: string;
  /** gRPC status code the client gave; ztunnel leaves it 0. */
  readonly code: number;
  /** At most {@link MAX_MESSAGE} characters of what the client wrote. */
  readonly message: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What an acknowledgement of a nonce meant. */
export type NonceVerdict = "ack" | "nack" | "stale";

// A client that reads but never acknowledges must not make us remember every nonce.
const MAX_OUTSTANDING = 64;
const MAX_MESSAGE = 4096;

/** What a debug page shows of the responses of one type of one client. */
export interface NonceStatus {
  /** Responses sent whose ACK or NACK is still to come. */
  readonly outstanding: number;
  readonly lastSent: string | undefined;
  readonly lastAcked: { readonly nonce: string; readonly at: number } | undefined;
  readonly lastNack: Nack | undefined;
}

/** Responses sent and what the client said of them, for one type of one stream. */
export class NonceTracker {
  readonly #outstanding: string[] = [];
  #lastSent: string | undefined;
  #lastAcked: NonceStatus["lastAcked"];
  #lastNack: Nack | undefined;

  /** The newest response. */
  get lastSent(): string | undefined {
    return this.#lastSent;
  }

  status(): NonceStatus {
    return {
      outstanding: this.#outstanding.length,
      lastSent: this.#lastSent,
      lastAcked: this.#lastAcked,
      lastNack: this.#lastNack,
    };
  }

  sent(nonce: string): void {
    this.#lastSent = nonce;
    this.#outstanding.push(nonce);
    if (this.#outstanding.length > MAX_OUTSTANDING) this.#outstanding.shift();
  }

  /** True for the newest response, whether or not it was acknowledged already. */
  isLatest(nonce: string): boolean {
    return nonce === this.#lastSent;
  }

  /** Records a verdict. Stale: the nonce was never sent, or its verdict is already here. */
  receive(nonce: string, error: { code: number; message: string } | undefined, now: number): NonceVerdict {
    const at = this.#outstanding.indexOf(nonce);
    if (at < 0) return "stale";
    this.#outstanding.splice(0, at + 1);
    if (error) {
      this.#lastNack = { nonce, code: error.code, message: error.message.slice(0, MAX_MESSAGE), at: now };
      return "nack";
    }
    this.#lastAcked = { nonce, at: now };
    return "ack";
  }
}
