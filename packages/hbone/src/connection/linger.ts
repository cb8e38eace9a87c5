// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import type { Duplex } from "node:stream";

/** How long a connection that is done may take to say so. */
const LINGER_MS = 1000;

/**
 * Lets the last frames of a connection leave, then closes its transport. What still arrives meanwhile must be read and
 * dropped, so that no TCP reset overtakes them.
 */
export function linger(transport: Duplex, clock: Clock): void {
  if (transport.destroyed) return;
  const timer = clock.setTimer(LINGER_MS, () => transport.destroy());
  transport.once("close", () => timer.cancel());
  transport.end();
}
