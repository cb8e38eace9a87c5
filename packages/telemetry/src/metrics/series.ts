// SPDX-License-Identifier: Apache-2.0
import type { CounterSeries, GaugeSeries, HistogramSeries } from "@ambientmesh/core";

/** One line of an exposition. */
export interface Sample {
  readonly name: string;
  readonly value: number;
  /** Labels beside those of the series. */
  readonly labels: Readonly<Record<string, string>>;
  /** Labels of the series; the same object at every scrape, so that its text can be kept. */
  readonly sharedLabels: Readonly<Record<string, string>>;
}

/** A series that can be scraped. */
export interface Sampled {
  samples(name: string): readonly Sample[];
}

const NO_LABELS = {};

/** A counter; what would make it smaller or undefined is ignored, so that counting can't break what is counted. */
export class CounterCell implements CounterSeries, Sampled {
  readonly #labels: Readonly<Record<string, string>>;
  #value = 0;

  constructor(labels: Readonly<Record<string, string>>) {
    this.#labels = labels;
  }

  add(amount = 1): void {
    if (amount > 0) this.#value += amount;
  }

  samples(name: string): readonly Sample[] {
    return [{ name, value: this.#value, labels: NO_LABELS, sharedLabels: this.#labels }];
  }
}

export class GaugeCell implements GaugeSeries, Sampled {
  readonly #labels: Readonly<Record<string, string>>;
  #value = 0;

  constructor(labels: Readonly<Record<string, string>>) {
    this.#labels = labels;
  }

  set(value: number): void {
    this.#value = value;
  }

  add(amount = 1): void {
    this.#value += amount;
  }

  samples(name: string): readonly Sample[] {
    return [{ name, value: this.#value, labels: NO_LABELS, sharedLabels: this.#labels }];
  }
}

export class HistogramCell implements HistogramSeries, Sampled {
  readonly #labels: Readonly<Record<string, string>>;
  readonly #bounds: readonly number[];
  /** Observations per bucket, not cumulated; the last is +Inf. */
  readonly #counts: number[];
  #sum = 0;

  constructor(labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.#labels = labels;
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    if (Number.isNaN(value)) return;
    const at = this.#bounds.findIndex((bound) => value <= bound);
    const bucket = at < 0 ? this.#bounds.length : at;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  samples(name: string): readonly Sample[] {
    const sharedLabels = this.#labels;
    let total = 0;
    const buckets = this.#counts.map((count, at) => {
      total += count;
      const le = at < this.#bounds.length ? String(this.#bounds[at]) : "+Inf";
      return { name: `${name}_bucket`, value: total, labels: { le }, sharedLabels };
    });
    return [
      ...buckets,
      { name: `${name}_sum`, value: this.#sum, labels: NO_LABELS, sharedLabels },
      { name: `${name}_count`, value: total, labels: NO_LABELS, sharedLabels },
    ];
  }
}
