// SPDX-License-Identifier: Apache-2.0

/** "understood" if `read` returns, "refused" if it throws what it may throw; anything else it throws goes on. */
export function understoodOrRefused(read: () => unknown, isRefusal: (error: unknown) => boolean): string {
  try {
    read();
    return "understood";
  } catch (error) {
    if (isRefusal(error)) return "refused";
    throw error;
  }
}
