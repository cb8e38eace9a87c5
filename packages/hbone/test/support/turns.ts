// SPDX-License-Identifier: Apache-2.0

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Lets everything run that needs no timer and no network. */
export async function settled(turns = 20): Promise<void> {
  for (let index = 0; index < turns; index++) await turn();
}

/** Waits, turn by turn, for a condition; the test's own timeout is the limit. */
export async function until(isMet: () => boolean): Promise<void> {
  while (!isMet()) await turn();
}
