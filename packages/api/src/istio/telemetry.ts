// SPDX-License-Identifier: Apache-2.0
import type { Condition, KubernetesObject } from "../kubernetes/meta.ts";
import type { PolicyTargetReference, WorkloadSelector } from "./policy.ts";

export type TelemetryMode = "CLIENT_AND_SERVER" | "CLIENT" | "SERVER";

export type TelemetryMetric =
  | "ALL_METRICS"
  | "REQUEST_COUNT"
  | "REQUEST_DURATION"
  | "REQUEST_SIZE"
  | "RESPONSE_SIZE"
  | "TCP_OPENED_CONNECTIONS"
  | "TCP_CLOSED_CONNECTIONS"
  | "TCP_SENT_BYTES"
  | "TCP_RECEIVED_BYTES"
  | "GRPC_REQUEST_MESSAGES"
  | "GRPC_RESPONSE_MESSAGES";

export interface TelemetryProvider {
  readonly name: string;
}

/** One of the four. */
export interface TracingTag {
  readonly literal?: { readonly value: string };
  readonly environment?: { readonly name: string; readonly defaultValue?: string };
  readonly header?: { readonly name: string; readonly defaultValue?: string };
  readonly formatter?: { readonly value: string };
}

export interface Tracing {
  readonly match?: { readonly mode?: TelemetryMode };
  readonly providers?: readonly TelemetryProvider[];
  /** 0 to 100. */
  readonly randomSamplingPercentage?: number;
  readonly disableSpanReporting?: boolean;
  readonly customTags?: Readonly<Record<string, TracingTag>>;
  readonly enableIstioTags?: boolean;
  readonly useRequestIdForTraceSampling?: boolean;
  readonly disableContextPropagation?: boolean;
}

export interface MetricsOverride {
  readonly match?: { readonly metric?: TelemetryMetric; readonly customMetric?: string; readonly mode?: TelemetryMode };
  readonly disabled?: boolean;
  readonly tagOverrides?: Readonly<
    Record<string, { readonly operation?: "UPSERT" | "REMOVE"; readonly value?: string }>
  >;
}

export interface TelemetryMetrics {
  readonly providers?: readonly TelemetryProvider[];
  readonly overrides?: readonly MetricsOverride[];
  readonly reportingInterval?: string;
}

export interface AccessLogging {
  readonly match?: { readonly mode?: TelemetryMode };
  readonly providers?: readonly TelemetryProvider[];
  readonly disabled?: boolean;
  /** In the Common Expression Language. */
  readonly filter?: { readonly expression?: string };
}

export interface TelemetrySpec {
  readonly selector?: WorkloadSelector;
  readonly targetRef?: PolicyTargetReference;
  readonly targetRefs?: readonly PolicyTargetReference[];
  readonly tracing?: readonly Tracing[];
  readonly metrics?: readonly TelemetryMetrics[];
  readonly accessLogging?: readonly AccessLogging[];
}

/** telemetry.istio.io/v1 Telemetry. */
export interface Telemetry extends KubernetesObject {
  readonly apiVersion: "telemetry.istio.io/v1";
  readonly kind: "Telemetry";
  readonly spec?: TelemetrySpec;
  readonly status?: { readonly conditions?: readonly Condition[] };
}
