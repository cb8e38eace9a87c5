// SPDX-License-Identifier: Apache-2.0

const FIRST = 2;
const LAST = 254;

/**
 * Gives out the addresses of a /24 in turn: one that was given back is used again last, so that nobody's caches mistake a
 * new pod for an old one.
 */
export class AddressPool {
  readonly #prefix: string;
  readonly #taken = new Set<string>();
  #next = FIRST;

  /** @param prefix the first three bytes with their dots: "10.244.1." */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** A free address, undefined when all 253 are taken. */
  take(): string | undefined {
    for (let tries = FIRST; tries <= LAST; tries++) {
      const address = `${this.#prefix}${this.#next}`;
      this.#next = this.#next === LAST ? FIRST : this.#next + 1;
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      return address;
    }
    return undefined;
  }

  giveBack(address: string): void {
    this.#taken.delete(address);
  }
}
