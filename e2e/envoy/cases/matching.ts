// SPDX-License-Identifier: Apache-2.0
import type { Case, Scenario } from "../scenario.ts";

const to = (cluster: string, more: object = {}): object => ({ route: { cluster, ...more } });
const named = (name: string, match: object, cluster = "one"): object => ({ name, match, ...to(cluster) });
const get = (path: string, more: Partial<Case> = {}): Case => ({
  name: `GET ${path} ${JSON.stringify(more)}`,
  path,
  ...more,
});

const paths: Scenario = {
  name: "paths",
  routes: [
    named("exact", { path: "/exact" }),
    named("folded", { path: "/Folded", case_sensitive: false }),
    named("separated", { path_separated_prefix: "/sep" }),
    named("regex", { safe_regex: { regex: "/re/[a-z]+(/\\d{2,3})?" } }),
    named("prefix", { prefix: "/pre" }),
    named("folded prefix", { prefix: "/CASE", case_sensitive: false }),
    named("unknown cluster", { prefix: "/unknown" }, "nobody"),
    { match: { prefix: "/notfound" }, route: { cluster: "nobody", cluster_not_found_response_code: "NOT_FOUND" } },
  ],
  cases: [
    ...["/exact", "/exact/", "/exact?a=b", "/Exact", "/folded", "/FOLDED"].map((path) => get(path)),
    ...["/sep", "/sep/", "/sep/a", "/sepa", "/sep?x", "/sep/a/b?c=d"].map((path) => get(path)),
    ...["/re/abc", "/re/abc/12", "/re/abc/1", "/re/abc/1234", "/re/", "/re/ABC", "/re/abc?x=1", "x"].map((path) =>
      get(path),
    ),
    ...["/pre", "/prefix", "/pre/a", "/case/x", "/Case", "/pr", "/unknown", "/notfound", "/", "/%70re"].map((path) =>
      get(path),
    ),
  ],
};

const header = (match: object, name: string): object =>
  named(name, { prefix: "/", headers: [{ name: "x-a", ...match }] });
const withA = (value: string | readonly string[]): Case => get("/", { headers: { "x-a": value } });

const headers: Scenario = {
  name: "headers",
  routes: [
    header({ string_match: { exact: "exact" } }, "exact"),
    header({ string_match: { exact: "folded", ignore_case: true } }, "folded"),
    header({ string_match: { prefix: "pre-" } }, "prefix"),
    header({ string_match: { suffix: "-suf" } }, "suffix"),
    header({ string_match: { contains: "-in-" } }, "contains"),
    header({ string_match: { safe_regex: { regex: "r[0-9]+" } } }, "regex"),
    header({ range_match: { start: "5", end: "10" } }, "range"),
    named("method", { prefix: "/", headers: [{ name: ":method", string_match: { exact: "PUT" } }] }),
    named("authority", { prefix: "/", headers: [{ name: ":authority", string_match: { prefix: "other" } }] }),
    named("both", {
      prefix: "/",
      headers: [
        { name: "x-b", present_match: true },
        { name: "x-c", string_match: { exact: "1" } },
      ],
    }),
    named("absent", { prefix: "/absent", headers: [{ name: "x-b", present_match: false }] }),
    named("inverted", {
      prefix: "/inverted",
      headers: [{ name: "x-b", string_match: { exact: "1" }, invert_match: true }],
    }),
    named("as empty", {
      prefix: "/empty",
      headers: [{ name: "x-b", string_match: { exact: "" }, treat_missing_header_as_empty: true }],
    }),
    named("inverted presence", {
      prefix: "/gone",
      headers: [{ name: "x-b", present_match: true, invert_match: true }],
    }),
  ],
  cases: [
    ...[
      "exact",
      "exact ",
      "EXACT",
      "FolDed",
      "pre-",
      "pre-x",
      "pre",
      "x-suf",
      "-suf",
      "a-in-b",
      "r1",
      "r",
      "r12",
      "r12x",
    ].map(withA),
    ...["4", "5", "9", "10", "-5", "7x", " 7", "007", ""].map(withA),
    withA(["exact", "exact"]),
    withA(["pre-1", "2"]),
    withA(["a", "b-suf"]),
    withA(["b-suf", "a"]),
    withA(["other", "exact"]),
    withA(["x", "r1"]),
    withA(["4", "5"]),
    withA(["5", "6"]),
    withA(["x", "a-in"]),
    get("/inverted", { headers: { "x-b": ["1", "2"] } }),
    get("/inverted", { headers: { "x-b": ["2", "1"] } }),
    get("/inverted", { headers: { "x-b": ["2", "3"] } }),
    get("/inverted", { headers: { "x-b": "1,1" } }),
    get("/", { method: "PUT" }),
    get("/", { authority: "other.example" }),
    get("/", { authority: "other:80" }),
    get("/", { headers: { "x-b": "1", "x-c": "1" } }),
    get("/", { headers: { "x-b": "1" } }),
    ...["/absent", "/inverted", "/empty", "/gone"].flatMap((path) => [
      get(path),
      get(path, { headers: { "x-b": "1" } }),
      get(path, { headers: { "x-b": "2" } }),
      get(path, { headers: { "x-b": "" } }),
    ]),
  ],
};

const query = (name: string, match: object): object =>
  named(name, { prefix: "/", query_parameters: [{ name: "q", ...match }] });

const queries: Scenario = {
  name: "queries",
  routes: [
    query("exact", { string_match: { exact: "1" } }),
    query("prefix", { string_match: { prefix: "pre" } }),
    query("regex", { string_match: { safe_regex: { regex: "[xyz]{2}" } } }),
    named("present", { prefix: "/present", query_parameters: [{ name: "q", present_match: true }] }),
    named("two", {
      prefix: "/",
      query_parameters: [
        { name: "a", string_match: { exact: "1" } },
        { name: "b", string_match: { exact: "2" } },
      ],
    }),
  ],
  cases: [
    ...["/?q=1", "/?q=2", "/?q", "/?q=", "/?q=1&q=2", "/?q=2&q=1", "/?Q=1", "/?q=pre", "/?q=prefix&x", "/?x=1&q=1"].map(
      (path) => get(path),
    ),
    ...[
      "/?q=xy",
      "/?q=xyz",
      "/?q=%31",
      "/?q=1#f",
      "/?a=1&b=2",
      "/?b=2&a=1",
      "/?a=1",
      "/?a=1&b=3",
      "/present?q",
      "/present?q=9",
    ].map((path) => get(path)),
    ...["/present?x", "/?q=1=1", "/?=1", "/?&&q=1", "/??q=1"].map((path) => get(path)),
  ],
};

const host = (name: string, domains: readonly string[]): object => ({
  name,
  domains,
  routes: [named(name, { prefix: "/" })],
});

const hosts: Scenario = {
  name: "hosts",
  routes: [],
  virtualHosts: [
    host("exact", ["a.test", "b.test:8080"]),
    host("suffix", ["*.test", "*-x.test"]),
    host("longer suffix", ["*.sub.test"]),
    host("prefix", ["www.*"]),
  ],
  cases: [
    "a.test",
    "A.TEST",
    "a.test:80",
    "b.test",
    "b.test:8080",
    "c.test",
    "x.sub.test",
    ".test",
    "test",
    "www.org",
    "www.",
    "a-x.test",
    "www.test",
    "other",
    "a.test.",
  ].map((authority) => ({ name: `host ${authority}`, authority })),
};

const portless: Scenario = {
  name: "portless",
  routes: [],
  virtualHosts: [host("exact", ["a.test"])],
  routeConfig: { ignore_port_in_host_matching: true },
  cases: ["a.test", "a.test:80", "a.test:x", "b.test:80"].map((authority) => ({
    name: `host ${authority}`,
    authority,
  })),
};

const grpc: Scenario = {
  name: "grpc",
  routes: [named("grpc", { prefix: "/", grpc: {} }, "h2"), named("rest", { prefix: "/" })],
  cases: ["application/grpc", "application/grpc+proto", "application/grpc-web", "application/json"].map((type) => ({
    name: type,
    method: "POST",
    isHttp2: true,
    headers: { "content-type": type, te: "trailers" },
    body: "x",
    answer: { headers: { "content-type": type }, trailers: { "grpc-status": "0" } },
  })),
};

/** Which route is chosen. */
export const matching: readonly Scenario[] = [paths, headers, queries, hosts, portless, grpc];
