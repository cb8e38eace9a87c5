// SPDX-License-Identifier: Apache-2.0

const HEAD = 8;

/** The input being taken, in memory that the watching thread can read while the other is stuck. */
export class SharedInput {
  readonly memory: SharedArrayBuffer;
  readonly #head: Int32Array;
  readonly #octets: Uint8Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEAD + 1024 * 1024)) {
    this.memory = memory;
    this.#head = new Int32Array(memory, 0, 2);
    this.#octets = new Uint8Array(memory, HEAD);
  }

  set(input: Uint8Array): void {
    const kept = input.length > this.#octets.length ? input.subarray(0, this.#octets.length) : input;
    this.#octets.set(kept);
    this.#head[1] = kept.length;
    Atomics.add(this.#head, 0, 1);
  }

  /** Differs for each input. */
  get count(): number {
    return Atomics.load(this.#head, 0);
  }

  get(): Buffer {
    return Buffer.from(this.#octets.slice(0, this.#head[1]));
  }
}
