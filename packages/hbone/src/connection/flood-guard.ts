// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import { H2Code } from "../h2/constants.ts";
import { ConnectionFault } from "../h2/connection-fault.ts";

/** What a peer may do at once, and how many per second after that. Each costs the peer next to nothing. */
const ALLOWANCES = {
  /** Streams that end by a reset before they were answered, whoever had to reset them (CVE-2023-44487, CVE-2025-8671). */
  resets: { burst: 1000, perSecond: 100, what: "streams reset before they were answered" },
  pings: { burst: 1000, perSecond: 100, what: "PING frames" },
  settings: { burst: 100, perSecond: 10, what: "SETTINGS frames" },
  /** DATA without content and without END_STREAM, PRIORITY, frames of unknown type. */
  useless: { burst: 2000, perSecond: 200, what: "frames without effect" },
} as const;

export type FloodKind = keyof typeof ALLOWANCES;

/** Bounds the work a peer can cause with frames that cost it nothing. */
export class FloodGuard {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #left: Record<FloodKind, number> = { resets: 0, pings: 0, settings: 0, useless: 0 };
  readonly #filledAtMs: Record<FloodKind, number> = { resets: 0, pings: 0, settings: 0, useless: 0 };

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
    for (const kind of Object.keys(ALLOWANCES) as FloodKind[]) {
      this.#left[kind] = ALLOWANCES[kind].burst;
      this.#filledAtMs[kind] = clock.monotonicMs();
    }
  }

  /** @throws ConnectionFault ENHANCE_YOUR_CALM when there were too many. */
  spend(kind: FloodKind): void {
    if (--this.#left[kind] >= 0) return;
    const { burst, perSecond, what } = ALLOWANCES[kind];
    const now = this.#clock.monotonicMs();
    const earned = Math.floor(((now - this.#filledAtMs[kind]) / 1000) * perSecond);
    if (earned < 1) throw new ConnectionFault(H2Code.enhanceYourCalm, `the peer sent too many ${what}`);
    this.#left[kind] = Math.min(burst, earned) - 1;
    this.#filledAtMs[kind] = now;
  }
}
