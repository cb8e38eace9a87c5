// SPDX-License-Identifier: Apache-2.0
import { duplexPair, type Duplex, type DuplexOptions } from "node:stream";

/** Two ends of a connection in memory; destroying one closes the other, which Node.js 22 does not do by itself. */
export function memoryPair(options: DuplexOptions = {}): [Duplex, Duplex] {
  const [near, far] = duplexPair(options);
  near.once("close", () => far.destroy());
  far.once("close", () => near.destroy());
  return [near, far];
}
