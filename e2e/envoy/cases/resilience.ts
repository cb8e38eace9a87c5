// SPDX-License-Identifier: Apache-2.0
import { filter, type Case, type Scenario } from "../scenario.ts";
import type { Answer } from "../upstream.ts";

const route = (prefix: string, action: object, more: object = {}): object => ({
  match: { prefix },
  route: { cluster: "one", ...action },
  ...more,
});
const get = (path: string, answer: Answer = {}, more: Partial<Case> = {}): Case => ({
  name: `GET ${path} ${JSON.stringify(answer)} ${JSON.stringify({ ...more, body: more.body?.length })}`,
  path,
  answer,
  ...more,
});
const retry = (retryOn: string, more: object = {}): object => ({
  retry_policy: { retry_on: retryOn, retry_back_off: { base_interval: "0.005s", max_interval: "0.01s" }, ...more },
});
const fails = (fail: number, failStatus = 503): Answer => ({ fail, failStatus });

const retries: Scenario = {
  name: "retries",
  virtualHost: { include_request_attempt_count: true, include_attempt_count_in_response: true },
  routes: [
    route("/5xx", retry("5xx", { num_retries: 2 })),
    route("/once", retry("5xx")),
    route("/gateway", retry("gateway-error", { num_retries: 2 })),
    route("/reset", retry("reset", { num_retries: 2 })),
    route("/before", retry("reset-before-request", { num_retries: 2 })),
    route("/codes", retry("retriable-status-codes", { num_retries: 2, retriable_status_codes: [418, 429] })),
    route("/409", retry("retriable-4xx", { num_retries: 2 })),
    route("/headers", retry("retriable-headers", { retriable_headers: [{ name: "x-again", present_match: true }] })),
    route("/only", retry("5xx", { retriable_request_headers: [{ name: "x-may", present_match: true }] })),
    route("/grpc", { cluster: "h2", ...retry("unavailable,cancelled", { num_retries: 2 }) }),
    route("/dead", { cluster: "dead", ...retry("connect-failure") }),
    route("/per-try", retry("5xx", { num_retries: 1, per_try_timeout: "0.15s" })),
    route("/full", { cluster: "noretries", ...retry("5xx") }),
    route("/none", {}),
  ],
  cases: [
    ...[0, 1, 2, 3].map((fail) => get("/5xx", fails(fail))),
    ...[500, 502, 504, 404, 0].map((status) => get("/5xx", fails(1, status))),
    get("/once", fails(1)),
    get("/once", fails(2)),
    ...[500, 502, 503, 504, 0].map((status) => get("/gateway", fails(1, status))),
    get("/reset", fails(1, 0)),
    get("/reset", fails(3, 0)),
    get("/reset", fails(1, 503)),
    get("/before", fails(1, 0)),
    ...[418, 429, 503].map((status) => get("/codes", fails(1, status))),
    get("/409", fails(1, 409)),
    get("/409", fails(1, 404)),
    get("/headers", { headers: { "x-again": "1" } }),
    get("/headers"),
    get("/only", fails(1)),
    get("/only", fails(1), { headers: { "x-may": "1" } }),
    get("/5xx", fails(2), { method: "POST", body: "posted" }),
    get("/5xx", fails(1), { method: "POST", body: "p".repeat(300_000) }),
    get("/5xx", fails(1), { method: "POST", body: "h2 body", isHttp2: true }),
    get("/grpc", { headers: { "grpc-status": "14" } }),
    get("/grpc", { headers: { "grpc-status": "2" } }),
    get("/dead"),
    get("/per-try", { delayMs: 600 }),
    get("/full", fails(1)),
    get("/none", fails(1)),
    get("/none", fails(1, 0)),
  ],
};

const timeouts: Scenario = {
  name: "timeouts",
  routes: [
    route("/short", { timeout: "0.2s" }),
    route("/none", { timeout: "0s" }),
    route("/idle", { idle_timeout: "0.2s" }),
    route("/stream", { max_stream_duration: { max_stream_duration: "0.2s" } }),
    route("/long", { timeout: "90s" }),
    route("/try", { timeout: "3s", retry_policy: { retry_on: "5xx", per_try_timeout: "1.5s" } }),
  ],
  cases: [
    get("/short", { delayMs: 500 }),
    get("/short"),
    get("/short", { delayMs: 500 }, { isHttp2: true }),
    get("/short", { delayMs: 500 }, { method: "POST", body: "x" }),
    get("/none"),
    get("/idle", { delayMs: 500 }),
    get("/stream", { delayMs: 500 }),
    get("/long"),
    get("/try"),
    get(
      "/short",
      { delayMs: 500 },
      { isHttp2: true, method: "POST", headers: { "content-type": "application/grpc", te: "trailers" }, body: "x" },
    ),
  ],
};

const clusters: Scenario = {
  name: "clusters",
  routes: [
    ...["dead", "empty", "failover", "unhealthy", "panic", "closed", "h2", "two"].map((cluster) =>
      route(`/${cluster}`, { cluster }),
    ),
    route("/connect", {
      cluster: "half",
      ...retry("connect-failure", {
        num_retries: 5,
        retry_host_predicate: [
          {
            name: "envoy.retry_host_predicates.previous_hosts",
            typed_config: {
              "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            },
          },
        ],
        host_selection_retry_max_attempts: 10,
      }),
    }),
    { match: { prefix: "/header" }, route: { cluster_header: "x-cluster" } },
    {
      match: { prefix: "/weights" },
      route: {
        weighted_clusters: {
          clusters: [
            { name: "one", weight: 0 },
            { name: "two", weight: 7 },
          ],
        },
      },
    },
    route("/mirror/", { request_mirror_policies: [{ cluster: "two" }] }),
    route("/mirror-plain", { request_mirror_policies: [{ cluster: "two", disable_shadow_host_suffix_append: true }] }),
    route("/mirror-never", {
      request_mirror_policies: [{ cluster: "two", runtime_fraction: { default_value: { numerator: 0 } } }],
    }),
  ],
  cases: [
    ...["/dead", "/empty", "/failover", "/unhealthy", "/panic", "/closed", "/h2", "/two", "/weights", "/header"].map(
      (path) => get(path),
    ),
    ...["/dead", "/empty", "/closed", "/h2"].map((path) => get(path, {}, { isHttp2: true })),
    get("/header", {}, { headers: { "x-cluster": "two" } }),
    get("/header", {}, { headers: { "x-cluster": "nobody" } }),
    get("/empty", {}, { isHttp2: true, method: "POST", headers: { "content-type": "application/grpc" }, body: "x" }),
    get("/h2", {}, { method: "POST", body: "body" }),
    get("/h2", { status: 204 }),
    get("/h2", {}, { method: "HEAD" }),
    get("/mirror/"),
    get("/mirror/", {}, { method: "POST", body: "copied" }),
    get("/mirror-plain", {}, { authority: "app.test:8080" }),
    get("/mirror-never"),
    get("/connect"),
  ],
};

const percent = (numerator: number): object => ({ numerator, denominator: "HUNDRED" });

const FAULT = "envoy.filters.http.fault";

function faulty(prefix: string, fault: object): object {
  const type = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
  const more = {
    typed_per_filter_config: { [FAULT]: { "@type": type, ...fault } },
    response_headers_to_add: [{ header: { key: "x-route", value: "1" } }],
  };
  return route(prefix, {}, more);
}

const faults: Scenario = {
  name: "faults",
  filters: [filter(FAULT, "fault.v3.HTTPFault")],
  routes: [
    faulty("/abort", { abort: { http_status: 418, percentage: percent(100) } }),
    faulty("/never", { abort: { http_status: 418, percentage: percent(0) } }),
    faulty("/grpc", { abort: { grpc_status: 14, percentage: percent(100) } }),
    faulty("/delay", { delay: { fixed_delay: "0.1s", percentage: percent(100) } }),
    faulty("/both", {
      delay: { fixed_delay: "0.05s", percentage: percent(100) },
      abort: { http_status: 503, percentage: percent(100) },
    }),
    faulty("/some", {
      abort: { http_status: 500, percentage: percent(100) },
      headers: [{ name: "x-fault", present_match: true }],
    }),
    faulty("/cluster", { abort: { http_status: 500, percentage: percent(100) }, upstream_cluster: "two" }),
    route("/plain", {}),
  ],
  cases: [
    ...["/abort", "/never", "/grpc", "/delay", "/both", "/some", "/cluster", "/plain", "/nowhere"].map((path) =>
      get(path),
    ),
    get("/some", {}, { headers: { "x-fault": "1" } }),
    get("/abort", {}, { isHttp2: true, method: "POST", headers: { "content-type": "application/grpc" }, body: "x" }),
    get("/grpc", {}, { isHttp2: true, method: "POST", headers: { "content-type": "application/grpc" }, body: "x" }),
    get("/abort", {}, { method: "POST", body: "x" }),
    get("/abort", {}, { method: "HEAD" }),
  ],
};

/** What happens when something fails. */
export const resilience: readonly Scenario[] = [retries, timeouts, clusters, faults];
