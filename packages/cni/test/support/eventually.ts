// SPDX-License-Identifier: Apache-2.0

const LIMIT_MS = 15_000;

/** Looks again and again until a condition holds. @throws Error after 15 s, with what was last seen */
export async function eventually<T>(what: string, look: () => T | Promise<T>): Promise<Exclude<T, false | undefined>> {
  const endMs = performance.now() + LIMIT_MS;
  let seen: T | undefined;
  while (performance.now() < endMs) {
    seen = await look();
    if (seen) return seen as Exclude<T, false | undefined>;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`${what} did not come about; last seen: ${JSON.stringify(seen)}`);
}
