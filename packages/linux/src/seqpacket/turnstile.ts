// SPDX-License-Identifier: Apache-2.0

/** Lets asynchronous work through one after another, in the order of arrival. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  async enter<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      return await work();
    } finally {
      resolve();
    }
  }
}
