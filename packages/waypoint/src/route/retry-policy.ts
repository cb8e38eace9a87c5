// SPDX-License-Identifier: Apache-2.0
import type { RetryPolicy } from "@ambientmesh/api/envoy/route";
import { durationMs, limitMs } from "../config/durations.ts";
import { invalid, unsupported } from "../config/refusal.ts";
import { requestHeaderValues, type RequestHead, type ResponseHead } from "../http/head.ts";
import { compileHeaderMatcher, type HeaderTest } from "../match/header-matcher.ts";

/** How an attempt ended without a response. */
export type Failure = "connect" | "reset" | "refused-stream" | "per-try-timeout";

/** When and how often a request is made again. */
export interface CompiledRetryPolicy {
  readonly attempts: number;
  readonly perTryTimeoutMs: number | undefined;
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
  /** Attempts to find a host that was not tried before; 0: any will do. */
  readonly otherHostAttempts: number;
  readonly admits: (request: RequestHead) => boolean;
  readonly retriesStatus: (response: ResponseHead) => boolean;
  /** `isAnswered`: the response had begun. */
  readonly retriesFailure: (failure: Failure, wasSent: boolean) => boolean;
}

const CONDITIONS = new Set([
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "envoy-ratelimited",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "retriable-headers",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
  // HTTP/3 is not spoken, so that this never comes up.
  "http3-post-connect-failure",
]);
const GRPC_STATUS: Readonly<Record<string, string>> = {
  "1": "cancelled",
  "4": "deadline-exceeded",
  "8": "resource-exhausted",
  "13": "internal",
  "14": "unavailable",
};
const DEFAULT_BASE_MS = 25;
const PREVIOUS_HOSTS = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";

/** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileRetryPolicy(policy: RetryPolicy, path: string): CompiledRetryPolicy | undefined {
  const conditions = readConditions(policy.retryOn, `${path}.retry_on`);
  if (conditions.size === 0) return undefined;
  const baseIntervalMs = durationMs(policy.retryBackOff?.baseInterval) ?? DEFAULT_BASE_MS;
  const maxIntervalMs = durationMs(policy.retryBackOff?.maxInterval) ?? baseIntervalMs * 10;
  if (maxIntervalMs < baseIntervalMs)
    throw invalid(`${path}.retry_back_off.max_interval`, "is less than base_interval");
  return {
    attempts: policy.numRetries ?? 1,
    perTryTimeoutMs: limitMs(policy.perTryTimeout),
    baseIntervalMs,
    maxIntervalMs,
    otherHostAttempts: otherHostAttempts(policy, path),
    admits: requestTest(policy, path),
    retriesStatus: statusTest(conditions, policy, path),
    retriesFailure: failureTest(conditions),
  };
}

function readConditions(text: string, path: string): Set<string> {
  const names = text.split(",").map((name) => name.trim());
  const conditions = new Set(names.filter((name) => name !== ""));
  for (const name of conditions) {
    if (!CONDITIONS.has(name)) throw unsupported(path, `asks for ${JSON.stringify(name)}, which is not supported`);
  }
  return conditions;
}

function otherHostAttempts(policy: RetryPolicy, path: string): number {
  for (const [index, { configType }] of policy.retryHostPredicate.entries()) {
    if (configType.value?.typeUrl.endsWith(`/${PREVIOUS_HOSTS}`)) continue;
    throw unsupported(`${path}.retry_host_predicate[${index}]`);
  }
  if (policy.retryHostPredicate.length === 0) return 0;
  return Number(policy.hostSelectionRetryMaxAttempts) || 1;
}

function requestTest({ retriableRequestHeaders }: RetryPolicy, path: string): (request: RequestHead) => boolean {
  if (retriableRequestHeaders.length === 0) return () => true;
  const tests = retriableRequestHeaders.map((matcher, index) =>
    compileHeaderMatcher(matcher, `${path}.retriable_request_headers[${index}]`),
  );
  return (request) => tests.some((test) => test((name) => requestHeaderValues(request, name)));
}

function statusTest(
  conditions: ReadonlySet<string>,
  policy: RetryPolicy,
  path: string,
): (response: ResponseHead) => boolean {
  const codes = new Set(conditions.has("retriable-status-codes") ? policy.retriableStatusCodes : []);
  const headers: HeaderTest[] = conditions.has("retriable-headers")
    ? policy.retriableHeaders.map((matcher, index) =>
        compileHeaderMatcher(matcher, `${path}.retriable_headers[${index}]`),
      )
    : [];
  return ({ status, headers: list }) => {
    if (conditions.has("envoy-ratelimited") && list.has("x-envoy-ratelimited")) return true;
    if (list.has("x-envoy-ratelimited")) return false;
    if (conditions.has("5xx") && status >= 500 && status < 600) return true;
    if (conditions.has("gateway-error") && status >= 502 && status <= 504) return true;
    if (conditions.has("retriable-4xx") && status === 409) return true;
    if (codes.has(status)) return true;
    const lookup = (name: string): readonly string[] => (name === ":status" ? [String(status)] : list.values(name));
    if (headers.some((test) => test(lookup))) return true;
    return conditions.has(GRPC_STATUS[list.get("grpc-status") ?? ""] ?? "");
  };
}

function failureTest(conditions: ReadonlySet<string>): (failure: Failure, wasSent: boolean) => boolean {
  return (failure, wasSent) => {
    // A stream that was refused was not looked at; all else may have been.
    if (conditions.has("5xx") || conditions.has("reset")) return true;
    switch (failure) {
      case "connect":
        return conditions.has("connect-failure") || conditions.has("gateway-error");
      case "refused-stream":
        return conditions.has("refused-stream") || conditions.has("gateway-error");
      case "reset":
        return conditions.has("gateway-error") || (conditions.has("reset-before-request") && !wasSent);
      case "per-try-timeout":
        return conditions.has("gateway-error");
    }
  };
}
