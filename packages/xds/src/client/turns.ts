// SPDX-License-Identifier: Apache-2.0

/** Runs work one piece at a time, in the order it comes, so that an owner is never called twice at once. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** The result of `work`, which starts when everything before it has ended. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {
      // Whoever called gets the error; the next in turn is not concerned.
    });
    return result;
  }
}
