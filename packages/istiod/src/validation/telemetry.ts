// SPDX-License-Identifier: Apache-2.0
import type { Telemetry } from "@ambientmesh/api/istio";
import { Findings, checkAttachment, type Finding } from "@ambientmesh/authz";

/** Checks a Telemetry (rules of Istio 1.31; expressions of access logs are not parsed). */
export function validateTelemetry({ spec = {} }: Telemetry): readonly Finding[] {
  const findings = new Findings();
  const { tracing = [], metrics = [] } = spec;
  checkAttachment(spec, findings);
  if (tracing.length > 1) findings.warning("spec.tracing", "has several entries; only the first one counts");
  for (const [at, { providers = [], randomSamplingPercentage: percentage }] of tracing.entries()) {
    const path = `spec.tracing[${at}]`;
    if (providers.length > 1) findings.warning(`${path}.providers`, "has several entries; only the first one counts");
    if (percentage !== undefined && percentage !== null && (percentage < 0 || percentage > 100)) {
      findings.error(`${path}.randomSamplingPercentage`, `${percentage} is not between 0 and 100`);
    }
  }
  for (const [at, { overrides = [] }] of metrics.entries()) {
    for (const [index, { tagOverrides = {} }] of overrides.entries()) {
      checkTags(tagOverrides, `spec.metrics[${at}].overrides[${index}].tagOverrides`, findings);
    }
  }
  return findings.list;
}

function checkTags(
  tags: Readonly<Record<string, { readonly operation?: "UPSERT" | "REMOVE"; readonly value?: string }>>,
  path: string,
  findings: Findings,
): void {
  for (const [name, { operation = "UPSERT", value = "" }] of Object.entries(tags)) {
    if (operation === "UPSERT" && value === "")
      findings.error(`${path}[${name}].value`, "is missing: UPSERT sets a value");
    if (operation === "REMOVE" && value !== "")
      findings.error(`${path}[${name}].value`, "must be left out: REMOVE removes the tag");
  }
}
