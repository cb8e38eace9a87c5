// SPDX-License-Identifier: Apache-2.0
import { spiffeErrors } from "../src/index.ts";

/** "read", or the code of the typed error that was thrown. Any other error passes through and fails the test. */
export async function outcomeOf(run: () => unknown): Promise<string> {
  try {
    await run();
    return "read";
  } catch (error) {
    if (spiffeErrors.is(error)) return error.code;
    throw error;
  }
}
