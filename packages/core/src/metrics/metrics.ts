// SPDX-License-Identifier: Apache-2.0

/** A metric family; the label set is declared once and is complete for every sample. */
export interface MetricSpec<Label extends string = string> {
  /** The sample name as scraped, for counters with `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly Label[];
}

/** A family of histograms. */
export interface HistogramSpec<Label extends string = string> extends MetricSpec<Label> {
  /** Upper bounds, ascending, without +Inf. */
  readonly buckets: readonly number[];
}

/** A value for each label of a family. */
export type Labels<Label extends string> = Readonly<Record<Label, string>>;

/** One time series of a counter; hold on to it in hot paths. */
export interface CounterSeries {
  /** Adds `amount` (default 1, never negative). */
  add(amount?: number): void;
}
/** One time series of a gauge. */
export interface GaugeSeries {
  set(value: number): void;
  add(amount?: number): void;
}
/** One time series of a histogram. */
export interface HistogramSeries {
  observe(value: number): void;
}

/** A family gives out its series by label values. */
export interface Family<Label extends string, Series> {
  with(labels: Labels<Label>): Series;
  /** Forgets one series, so that gone objects leave no samples behind. */
  remove(labels: Labels<Label>): void;
}

/** Where metrics are declared; declaring a name twice with the same labels gives the same family. */
export interface Metrics {
  counter<Label extends string = never>(spec: MetricSpec<Label>): Family<Label, CounterSeries>;
  gauge<Label extends string = never>(spec: MetricSpec<Label>): Family<Label, GaugeSeries>;
  histogram<Label extends string = never>(spec: HistogramSpec<Label>): Family<Label, HistogramSeries>;
}

const drop = (): void => {};
const noSeries = { add: drop, set: drop, observe: drop };
const noFamily = { with: () => noSeries, remove: drop };

/** Counts nothing. */
export const noMetrics: Metrics = {
  counter: () => noFamily,
  gauge: () => noFamily,
  histogram: () => noFamily,
};
