// SPDX-License-Identifier: Apache-2.0
import type { Family, Labels } from "@ambientmesh/core";
import type { Sample, Sampled } from "./series.ts";

/** What a family is made of. */
export interface FamilyOptions<Label extends string, Series> {
  readonly name: string;
  readonly labels: readonly Label[];
  readonly maxSeries: number;
  readonly createSeries: (labels: Labels<Label>) => Series;
  /** Called each time a new series is refused because the family is full. */
  readonly onOverflow: () => void;
}

/** Value of every label of the series that takes what a full family refuses. */
const OVERFLOW_LABEL = "overflow";

/**
 * The series of one family by their label values. A full family gives out one shared series, whose labels all read
 * "overflow", for everything new: sums stay right, memory stays bounded.
 */
export class SeriesFamily<Label extends string, Series extends Sampled> implements Family<Label, Series> {
  readonly #series = new Map<string, Series>();
  readonly #options: FamilyOptions<Label, Series>;
  #overflow: Series | undefined;

  constructor(options: FamilyOptions<Label, Series>) {
    this.#options = options;
  }

  /** After {@link remove} a handle taken before counts into nothing; ask again. */
  with(labels: Labels<Label>): Series {
    const key = this.#keyOf(labels);
    return this.#series.get(key) ?? this.#add(key, labels);
  }

  remove(labels: Labels<Label>): void {
    this.#series.delete(this.#keyOf(labels));
  }

  samples(): Sample[] {
    const all = [...this.#series.values(), ...(this.#overflow ? [this.#overflow] : [])];
    return all.flatMap((series) => series.samples(this.#options.name));
  }

  #add(key: string, labels: Labels<Label>): Series {
    const { createSeries, maxSeries, onOverflow } = this.#options;
    if (this.#series.size >= maxSeries) {
      onOverflow();
      this.#overflow ??= createSeries(this.#ordered(() => OVERFLOW_LABEL));
      return this.#overflow;
    }
    const series = createSeries(this.#ordered((name) => labels[name]));
    this.#series.set(key, series);
    return series;
  }

  #ordered(valueOf: (name: Label) => string): Labels<Label> {
    return Object.fromEntries(this.#options.labels.map((name) => [name, valueOf(name)])) as Labels<Label>;
  }

  /** Lengths keep apart what the values themselves could blur. */
  #keyOf(labels: Labels<Label>): string {
    let key = "";
    for (const name of this.#options.labels) {
      const value = labels[name];
      key += `${value.length}:${value}`;
    }
    return key;
  }
}
