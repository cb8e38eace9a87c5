// SPDX-License-Identifier: Apache-2.0
import type {
  CounterSeries,
  Family,
  GaugeSeries,
  HistogramSeries,
  HistogramSpec,
  Labels,
  MetricSpec,
  Metrics,
} from "@ambientmesh/core";
import { telemetryErrors } from "../errors.ts";
import { expose, type ExpositionFormat, type FamilySnapshot } from "./exposition.ts";
import { SeriesFamily } from "./family.ts";
import { CounterCell, GaugeCell, HistogramCell, type Sampled } from "./series.ts";

/** Metrics that can be scraped. */
export interface MetricsRegistry extends Metrics {
  /** All families that have samples, as text. */
  render(format: ExpositionFormat): Promise<string>;
  /** Calls `refresh` before each scrape, for values that are only read then. Disposing ends that. */
  onScrape(refresh: () => void | Promise<void>): Disposable;
}

/** Limits of the registry. */
export interface MetricsOptions {
  /** Series that one family may hold; more are gathered in one series and counted. Default 10 000. */
  readonly maxSeriesPerFamily?: number;
}

interface Declared extends FamilySnapshot {
  /** Type, labels and buckets, to recognise a second declaration. */
  readonly shape: string;
  readonly family: unknown;
}

interface Declaration<Label extends string, Series> {
  readonly type: FamilySnapshot["type"];
  readonly spec: MetricSpec<Label>;
  readonly buckets?: readonly number[];
  readonly createSeries: (labels: Labels<Label>) => Series;
}

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/;

class Registry implements MetricsRegistry {
  readonly #declared = new Map<string, Declared>();
  readonly #refreshers = new Set<() => void | Promise<void>>();
  readonly #maxSeries: number;
  readonly #overflows: Family<"family", CounterSeries>;

  constructor(options: MetricsOptions) {
    this.#maxSeries = options.maxSeriesPerFamily ?? 10_000;
    this.#overflows = this.counter({
      name: "ambientmesh_metric_series_overflow_total",
      help: "Requests for a new series that a full metric family answered with its overflow series",
      labels: ["family"],
    });
  }

  /** Older names of Istio (pilot_xds_pushes) lack `_total`; OpenMetrics adds it to their samples. */
  counter<Label extends string = never>(spec: MetricSpec<Label>): Family<Label, CounterSeries> {
    return this.#declare({ type: "counter", spec, createSeries: (labels) => new CounterCell(labels) });
  }

  gauge<Label extends string = never>(spec: MetricSpec<Label>): Family<Label, GaugeSeries> {
    return this.#declare({ type: "gauge", spec, createSeries: (labels) => new GaugeCell(labels) });
  }

  histogram<Label extends string = never>(spec: HistogramSpec<Label>): Family<Label, HistogramSeries> {
    const buckets = [...spec.buckets];
    if (buckets.some((bound, at) => !Number.isFinite(bound) || bound <= (buckets[at - 1] ?? -Infinity))) {
      throw invalid(spec, "buckets have to be finite and ascending");
    }
    if (spec.labels?.some((label) => label === "le")) throw invalid(spec, 'the label "le" is the bucket\'s own');
    return this.#declare({
      type: "histogram",
      spec,
      buckets,
      createSeries: (labels) => new HistogramCell(labels, buckets),
    });
  }

  async render(format: ExpositionFormat): Promise<string> {
    await Promise.all([...this.#refreshers].map(async (refresh) => refresh()));
    return expose(this.#declared.values(), format);
  }

  onScrape(refresh: () => void | Promise<void>): Disposable {
    this.#refreshers.add(refresh);
    return { [Symbol.dispose]: () => void this.#refreshers.delete(refresh) };
  }

  #declare<Label extends string, Series extends Sampled>(
    declaration: Declaration<Label, Series>,
  ): Family<Label, Series> {
    const { type, spec, buckets, createSeries } = declaration;
    checkSpec(spec);
    const labels = spec.labels ?? [];
    const shape = JSON.stringify([type, labels, buckets]);
    // Keyed as in OpenMetrics, where the gauge "x" and the counter "x_total" would be one family.
    const key = spec.name.replace(/_total$/, "");
    const known = this.#declared.get(key);
    if (known) {
      if (known.shape === shape && known.name === spec.name) return known.family as Family<Label, Series>;
      throw telemetryErrors.create(
        "METRIC_CONFLICT",
        `metric ${spec.name} is declared as ${shape}, but ${known.name} is already there as ${known.shape}`,
      );
    }
    const family = new SeriesFamily<Label, Series>({
      name: spec.name,
      labels,
      maxSeries: this.#maxSeries,
      createSeries,
      onOverflow: () => this.#overflows.with({ family: spec.name }).add(),
    });
    const samples = (): ReturnType<typeof family.samples> => family.samples();
    this.#declared.set(key, { name: spec.name, help: spec.help, type, shape, family, samples });
    return family;
  }
}

function checkSpec(spec: MetricSpec): void {
  if (!METRIC_NAME.test(spec.name)) throw invalid(spec, "the name is not one of Prometheus");
  // OpenMetrics wants quotes in help escaped, prom-client does not do it.
  if (spec.help === "" || /["\\\n]/.test(spec.help)) {
    throw invalid(spec, "the help text has to be one line without quotes and backslashes");
  }
  const labels = spec.labels ?? [];
  const wrong = labels.find((label, at) => !LABEL_NAME.test(label) || labels.indexOf(label) !== at);
  if (wrong !== undefined) throw invalid(spec, `the label "${wrong}" is not one of Prometheus or is there twice`);
}

function invalid(spec: MetricSpec, problem: string): Error {
  return telemetryErrors.create("METRIC_INVALID", `metric ${spec.name}: ${problem}`, { details: { name: spec.name } });
}

/**
 * Metrics in memory. Series are plain cells: a handle from `with` costs one map lookup to get and an addition to use.
 *
 * @example
 * const metrics = createMetrics();
 * const opened = metrics.counter({ name: "istio_tcp_connections_opened_total", help: "Opened", labels: ["reporter"] });
 * opened.with({ reporter: "source" }).add();
 * const text = await metrics.render("openmetrics");
 */
export function createMetrics(options: MetricsOptions = {}): MetricsRegistry {
  return new Registry(options);
}
