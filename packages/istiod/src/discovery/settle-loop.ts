// SPDX-License-Identifier: Apache-2.0
import type { Clock, HistogramSeries } from "@ambientmesh/core";
import type { CollectionGraph } from "../collections/graph.ts";

export interface SettleLoopDeps {
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly graph: Pick<CollectionGraph, "work" | "publish" | "isSettled">;
  /** Keeps clients from being told of half a publication. */
  readonly hold: () => Disposable;
  /** Seconds from the first change to the publication. */
  readonly duration: HistogramSeries;
  /** A derivation is wrong in a way that no object can cause: istiod must not go on. */
  readonly onCrash: (error: unknown) => void;
}

/** Other work (requests, streams) gets its turn at least this often, in ms. */
const SLICE_MS = 10;

/**
 * Brings the derived collections up to date soon after sources changed: everything that arrives in one turn of the event
 * loop together, and what arrives during the work with it. Subscribers see settled states only.
 */
export class SettleLoop implements Disposable {
  readonly #deps: SettleLoopDeps;
  #startedAt: number | undefined;
  #immediate: NodeJS.Immediate | undefined;
  /** While a publication goes on. */
  #held: Disposable | undefined;
  #settled = Promise.withResolvers<void>();

  constructor(deps: SettleLoopDeps) {
    this.#deps = deps;
    this.#settled.resolve();
  }

  /** A source has changed. */
  touch(): void {
    if (this.#startedAt !== undefined) return;
    this.#startedAt = this.#deps.clock.monotonicMs();
    this.#settled = Promise.withResolvers<void>();
    this.#arm();
  }

  /** Resolves when everything that has changed so far is published; never if it is disposed before. */
  whenSettled(): Promise<void> {
    return this.#settled.promise;
  }

  [Symbol.dispose](): void {
    clearImmediate(this.#immediate);
  }

  #arm(): void {
    this.#immediate = setImmediate(() => this.#run());
  }

  #run(): void {
    try {
      if (!this.#goOn()) {
        this.#arm();
        return;
      }
    } catch (error) {
      this.#deps.onCrash(error);
      return;
    }
    const { clock, duration } = this.#deps;
    duration.observe((clock.monotonicMs() - (this.#startedAt ?? 0)) / 1000);
    this.#startedAt = undefined;
    this.#settled.resolve();
  }

  /** Works for a slice of time. True when everything is published. */
  #goOn(): boolean {
    const { clock, graph, hold } = this.#deps;
    const stopAt = clock.monotonicMs() + SLICE_MS;
    const shouldPause = (): boolean => clock.monotonicMs() >= stopAt;
    // What changes during a publication waits for its end.
    if (!this.#held && !graph.work(shouldPause)) return false;
    this.#held ??= hold();
    if (!graph.publish(shouldPause)) return false;
    this.#held[Symbol.dispose]();
    this.#held = undefined;
    return graph.isSettled;
  }
}
