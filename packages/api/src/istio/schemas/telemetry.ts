// SPDX-License-Identifier: Apache-2.0
import type {
  AccessLogging,
  MetricsOverride,
  TelemetryMetrics,
  TelemetryMode,
  TelemetryProvider,
  TelemetrySpec,
  Tracing,
  TracingTag,
} from "../telemetry.ts";
import { selector, targetRef, targetRefs } from "./attachment.ts";
import {
  double,
  duration,
  fields,
  filledText,
  limited,
  listOf,
  mapOf,
  oneOf,
  optionalFlag,
  text,
  type FieldSchema,
} from "./field-schema.ts";

const mode: FieldSchema<TelemetryMode> = oneOf("CLIENT_AND_SERVER", "CLIENT", "SERVER");
const match = fields<{ readonly mode?: TelemetryMode }>({ mode });
const providers = listOf(fields<TelemetryProvider>({ name: filledText }, "name"));

const constant = fields<{ readonly value: string }>({ value: filledText }, "value");
const lookedUp = fields<{ readonly name: string; readonly defaultValue?: string }>(
  { name: filledText, defaultValue: text },
  "name",
);

const tracing = fields<Tracing>({
  match,
  providers,
  randomSamplingPercentage: limited(double, { minimum: 0, maximum: 100, nullable: true }),
  disableSpanReporting: optionalFlag,
  customTags: mapOf(
    fields<TracingTag>({ literal: constant, environment: lookedUp, header: lookedUp, formatter: constant }),
  ),
  enableIstioTags: optionalFlag,
  useRequestIdForTraceSampling: optionalFlag,
  disableContextPropagation: optionalFlag,
});

const override = fields<MetricsOverride>({
  match: fields<NonNullable<MetricsOverride["match"]>>({
    metric: oneOf(
      "ALL_METRICS",
      "REQUEST_COUNT",
      "REQUEST_DURATION",
      "REQUEST_SIZE",
      "RESPONSE_SIZE",
      "TCP_OPENED_CONNECTIONS",
      "TCP_CLOSED_CONNECTIONS",
      "TCP_SENT_BYTES",
      "TCP_RECEIVED_BYTES",
      "GRPC_REQUEST_MESSAGES",
      "GRPC_RESPONSE_MESSAGES",
    ),
    customMetric: filledText,
    mode,
  }),
  disabled: optionalFlag,
  tagOverrides: mapOf(
    fields<NonNullable<MetricsOverride["tagOverrides"]>[string]>({ operation: oneOf("UPSERT", "REMOVE"), value: text }),
  ),
});

export const telemetrySpec: FieldSchema<TelemetrySpec> = fields<TelemetrySpec>({
  selector,
  targetRef,
  targetRefs,
  tracing: listOf(tracing),
  metrics: listOf(fields<TelemetryMetrics>({ providers, overrides: listOf(override), reportingInterval: duration })),
  accessLogging: listOf(
    fields<AccessLogging>({
      match,
      providers,
      disabled: optionalFlag,
      filter: fields<{ readonly expression?: string }>({ expression: text }),
    }),
  ),
});
