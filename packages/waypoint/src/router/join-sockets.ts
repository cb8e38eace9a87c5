// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";

/** Copies both ways until both have ended; the break of one is the end of the other. Calls back once both are closed. */
export function joinSockets(one: Duplex, other: Duplex, onClosed: () => void): void {
  let open = 2;
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to);
    from.on("error", () => from.destroy());
    from.once("close", () => {
      to.destroy();
      if (--open === 0) onClosed();
    });
  }
}
