// SPDX-License-Identifier: Apache-2.0
import type { FuzzTargets } from "@ambientmesh/testkit";

const isBad = (input: Buffer): boolean => input.toString("latin1") === "bad";

/** What a runner must notice, for its test: each goes wrong at the input "bad" in its own way. */
export const targets: FuzzTargets = {
  fine: { run: (input) => String(isBad(input)) },
  throws: {
    run: (input) => {
      if (isBad(input)) throw new TypeError("a bug");
      return undefined;
    },
  },
  hangs: {
    run: (input) => {
      while (isBad(input));
      return undefined;
    },
  },
  grows: {
    run: (input) => {
      const held: unknown[] = [];
      while (isBad(input)) held.push(Array.from({ length: 10_000 }, (_unused, at) => ({ at })));
      return undefined;
    },
  },
};
