// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";

/**
 * What became of a demand. Answered: the server sent the resource or said that there is none, and keeps the client
 * informed from now on, so the owner's state is right about that name. Refused: too many names are subscribed.
 */
export type DemandOutcome = "answered" | "timeout" | "refused" | "aborted";

/** How long an answer is waited for. */
export interface DemandOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

interface Demanded {
  state: "waiting" | "present" | "absent";
  readonly waiters: Set<(outcome: DemandOutcome) => void>;
}

/** What a demand makes the client tell the server. */
export interface DemandEffect {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
}

/**
 * Names asked for one by one, each by any number of waiters. Bounded: when it is full, the name that was absent for the
 * longest makes room, because a name that exists holds state which the server has to keep fresh.
 */
export class DemandTable {
  readonly #clock: Clock;
  readonly #maxNames: number;
  readonly #onEffect: (effect: DemandEffect) => void;
  readonly #names = new Map<string, Demanded>();

  constructor(clock: Clock, maxNames: number, onEffect: (effect: DemandEffect) => void) {
    this.#clock = clock;
    this.#maxNames = maxNames;
    this.#onEffect = onEffect;
  }

  /** Names subscribed. */
  names(): IterableIterator<string> {
    return this.#names.keys();
  }

  get size(): number {
    return this.#names.size;
  }

  demand(name: string, options: DemandOptions): Promise<DemandOutcome> {
    const known = this.#names.get(name);
    if (known && known.state !== "waiting") return Promise.resolve("answered");
    if (options.signal?.aborted) return Promise.resolve("aborted");
    const demanded = known ?? this.#subscribe(name);
    return demanded ? this.#wait(demanded, options) : Promise.resolve("refused");
  }

  /** A resource came, under its name and aliases. */
  arrived(names: Iterable<string>): void {
    for (const name of names) this.#answer(name, "present");
  }

  /** The server says that there is nothing of that name. */
  absent(name: string): void {
    this.#answer(name, "absent");
  }

  #subscribe(name: string): Demanded | undefined {
    const gone = this.#names.size >= this.#maxNames ? this.#oldestAbsent() : undefined;
    if (this.#names.size >= this.#maxNames && gone === undefined) return undefined;
    if (gone !== undefined) this.#names.delete(gone);
    const demanded: Demanded = { state: "waiting", waiters: new Set() };
    this.#names.set(name, demanded);
    this.#onEffect({ subscribe: [name], unsubscribe: gone === undefined ? [] : [gone] });
    return demanded;
  }

  #oldestAbsent(): string | undefined {
    for (const [name, { state }] of this.#names) if (state === "absent") return name;
    return undefined;
  }

  #answer(name: string, state: "present" | "absent"): void {
    const demanded = this.#names.get(name);
    if (!demanded) return;
    demanded.state = state;
    for (const settle of demanded.waiters) settle("answered");
  }

  #wait({ waiters }: Demanded, { timeoutMs, signal }: DemandOptions): Promise<DemandOutcome> {
    const { promise, resolve } = Promise.withResolvers<DemandOutcome>();
    const onAbort = (): void => settle("aborted");
    const timer = this.#clock.setTimer(timeoutMs, () => settle("timeout"));
    const settle = (outcome: DemandOutcome): void => {
      timer.cancel();
      signal?.removeEventListener("abort", onAbort);
      waiters.delete(settle);
      resolve(outcome);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    waiters.add(settle);
    return promise;
  }
}
