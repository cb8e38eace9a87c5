// SPDX-License-Identifier: Apache-2.0
import { filter, type Case, type Scenario } from "../scenario.ts";

const everything = {
  match: { prefix: "/" },
  route: { cluster: "one" },
  response_headers_to_add: [{ header: { key: "x-route", value: "1" } }],
};
const get = (path: string, more: Partial<Case> = {}): Case => ({
  name: `GET ${path} ${JSON.stringify(more)}`,
  path,
  ...more,
});
const exact = (value: string): object => ({ string_match: { exact: value } });
const rule = (permissions: readonly object[], principals: readonly object[] = [{ any: true }]): object => ({
  permissions,
  principals,
});

const POLICIES = {
  "get only": rule([{ header: { name: ":method", ...exact("GET") } }]),
  "an admin's path": rule(
    [{ url_path: { path: { prefix: "/admin" } } }],
    [{ header: { name: "x-role", ...exact("admin") } }],
  ),
  "both, and not": rule([
    {
      and_rules: {
        rules: [
          { header: { name: ":method", ...exact("POST") } },
          { url_path: { path: { safe_regex: { regex: "/api/v[0-9]+/.*" } } } },
          { not_rule: { url_path: { path: { suffix: "/secret" } } } },
        ],
      },
    },
  ]),
  either: rule([
    {
      or_rules: {
        rules: [{ url_path: { path: { exact: "/or" } } }, { header: { name: "x-or", present_match: true } }],
      },
    },
  ]),
  "from loopback by PUT": rule(
    [{ header: { name: ":method", ...exact("PUT") } }],
    [{ direct_remote_ip: { address_prefix: "127.0.0.0", prefix_len: 8 } }],
  ),
  "from a client by DELETE": rule(
    [{ header: { name: ":method", ...exact("DELETE") } }],
    [{ remote_ip: { address_prefix: "10.1.0.0", prefix_len: 16 } }],
  ),
  "nobody's host": rule(
    [{ header: { name: ":authority", string_match: { suffix: ".internal", ignore_case: true } } }],
    [{ not_id: { any: true } }],
  ),
  "with a certificate": rule([{ header: { name: "x-mtls", present_match: true } }], [{ authenticated: {} }]),
};

const REQUESTS: readonly Case[] = [
  ...["/", "/admin", "/admin/x?y", "/a", "/api/v1/x"].map((path) => get(path)),
  ...["/", "/admin", "/api/v1/x", "/api/v1/secret", "/api/vx/x", "/api/v22/a/b?c=/secret", "/%61dmin"].map((path) =>
    get(path, { method: "POST", body: "x" }),
  ),
  ...["/admin", "/administrator", "/x/../admin"].map((path) =>
    get(path, { method: "POST", headers: { "x-role": "admin" } }),
  ),
  get("/admin", { method: "POST", headers: { "x-role": ["user", "admin"] } }),
  get("/", { method: "POST", headers: { "x-or": "1" } }),
  get("/", { method: "PUT" }),
  get("/", { method: "DELETE" }),
  get("/", { method: "DELETE", headers: { "x-forwarded-for": "10.1.2.3" } }),
  get("/", { method: "DELETE", headers: { "x-forwarded-for": "10.1.2.3, 10.2.0.1" } }),
  get("/", { method: "PATCH", authority: "x.internal" }),
  get("/", { method: "PATCH", headers: { "x-mtls": "1" } }),
  get("/", { method: "POST", isHttp2: true, headers: { "content-type": "application/grpc" }, body: "x" }),
  get("/", { method: "HEAD" }),
];

const rbac = (action: string): Scenario => ({
  name: `policies ${action}`,
  routes: [
    {
      match: { prefix: "/open" },
      route: { cluster: "one" },
      typed_per_filter_config: {
        "envoy.filters.http.rbac": {
          "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
        },
      },
    },
    everything,
  ],
  manager: { normalize_path: true },
  filters: [filter("envoy.filters.http.rbac", "rbac.v3.RBAC", { rules: { action, policies: POLICIES } })],
  cases: [...REQUESTS, get("/open", { method: "POST" })],
});

const empty: Scenario = {
  name: "no policies",
  routes: [everything],
  filters: [filter("envoy.filters.http.rbac", "rbac.v3.RBAC", { rules: { action: "ALLOW", policies: {} } })],
  cases: [get("/"), get("/nowhere", { method: "POST" })],
};

/** Who may do what. */
export const policy: readonly Scenario[] = [...["ALLOW", "DENY"].map(rbac), empty];
