// SPDX-License-Identifier: Apache-2.0
import { setImmediate as yieldToOthers } from "node:timers/promises";
import { Registry, type Metric, type OpenMetricsContentType } from "prom-client";
import type { Sample } from "./series.ts";

/** Text formats of a scrape. */
export type ExpositionFormat = "prometheus" | "openmetrics";

/** A family as it is at one moment. */
export interface FamilySnapshot {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: () => readonly Sample[];
}

/** The Content-Type of each format. */
export const EXPOSITION_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

/**
 * The text of one family. prom-client's registry reads name, help, type and get() of a metric, so it is handed a
 * snapshot with just these. In OpenMetrics a counter's family is named without `_total`; the registry adds the suffix to
 * the samples, and it would strip it from a metric for good when asked for everything at once, which is why each scrape
 * makes new registries and asks for families one by one.
 */
async function familyText(
  family: FamilySnapshot,
  samples: readonly Sample[],
  format: ExpositionFormat,
): Promise<string> {
  const isStripped = format === "openmetrics" && family.type === "counter";
  const name = isStripped ? family.name.replace(/_total$/, "") : family.name;
  const values = samples.map(({ name: sampleName, value, labels, sharedLabels }) => ({
    value,
    labels,
    sharedLabels,
    metricName: isStripped ? name : sampleName,
  }));
  const view = { name, help: family.help, type: family.type, get: () => ({ ...view, values }) };
  const registry = format === "openmetrics" ? openMetricsRegistry() : new Registry();
  registry.registerMetric(view as unknown as Metric);
  return registry.getSingleMetricAsString(name);
}

function openMetricsRegistry(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

/** The families that have samples, as text. Other work gets its turn between families. */
export async function expose(families: Iterable<FamilySnapshot>, format: ExpositionFormat): Promise<string> {
  const texts: string[] = [];
  for (const family of families) {
    const samples = family.samples();
    if (samples.length === 0) continue;
    texts.push(`${await familyText(family, samples, format)}\n`);
    await yieldToOthers();
  }
  if (format === "openmetrics") texts.push("# EOF\n");
  return texts.join("");
}
