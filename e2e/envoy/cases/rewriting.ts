// SPDX-License-Identifier: Apache-2.0
import { filter, type Case, type Scenario } from "../scenario.ts";

const get = (path: string, more: Partial<Case> = {}): Case => ({
  name: `GET ${path} ${JSON.stringify(more)}`,
  path,
  ...more,
});
const route = (prefix: string, action: object, more: object = {}): object => ({
  match: { prefix },
  route: { cluster: "one", ...action },
  ...more,
});
const add = (key: string, value: string, more: object = {}): object => ({ header: { key, value }, ...more });

const rewrites: Scenario = {
  name: "rewrites",
  routes: [
    route("/literal", { host_rewrite_literal: "new.host" }),
    route("/from-header", { host_rewrite_header: "x-host" }),
    route("/auto", { auto_host_rewrite: true }),
    route("/forwarded", { host_rewrite_literal: "new.host", append_x_forwarded_host: true }),
    { match: { path: "/whole" }, route: { cluster: "one", prefix_rewrite: "/new" } },
    { match: { path_separated_prefix: "/seg" }, route: { cluster: "one", prefix_rewrite: "/new" } },
    { match: { safe_regex: { regex: "/rx/.*" } }, route: { cluster: "one", prefix_rewrite: "/new" } },
    { match: { prefix: "/FOLD", case_sensitive: false }, route: { cluster: "one", prefix_rewrite: "/new" } },
    route("/root/", { prefix_rewrite: "/" }),
    route("/pre", { prefix_rewrite: "/" }),
    {
      match: { prefix: "/weighted" },
      route: {
        weighted_clusters: {
          clusters: [
            { name: "one", weight: 0 },
            { name: "two", weight: 1, host_rewrite_literal: "w.host" },
          ],
        },
      },
    },
  ],
  cases: [
    ...["/literal", "/from-header", "/auto", "/forwarded", "/weighted"].map((path) => get(path)),
    get("/literal", { authority: "new.host" }),
    get("/from-header", { headers: { "x-host": "from.header" } }),
    get("/forwarded", { headers: { "x-forwarded-host": "before" } }),
    ...[
      "/whole",
      "/whole?a=b",
      "/seg",
      "/seg/a/b?c",
      "/rx/abc?x=y",
      "/fold/x",
      "/Folder",
      "/root/",
      "/root/a?b",
      "/pre",
      "/prefix?x",
    ].map((path) => get(path)),
    ...["/pre//a", "/pre/%2e%2e/a", "/seg?"].map((path) => get(path)),
  ],
};

const redirect = (prefix: string, action: object): object => ({ match: { prefix }, redirect: action });

const redirects: Scenario = {
  name: "redirects",
  routes: [
    redirect("/https", { https_redirect: true }),
    redirect("/scheme", { scheme_redirect: "ftp" }),
    redirect("/host", { host_redirect: "other.host" }),
    redirect("/port", { port_redirect: 8443 }),
    redirect("/both", { host_redirect: "other.host", port_redirect: 8443, https_redirect: true }),
    redirect("/path", { path_redirect: "/new" }),
    redirect("/query", { path_redirect: "/new?fixed=1" }),
    redirect("/prefix", { prefix_rewrite: "/new" }),
    redirect("/strip", { strip_query: true, host_redirect: "other.host" }),
    redirect("/spath", { strip_query: true, path_redirect: "/new" }),
    ...(["FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT", "MOVED_PERMANENTLY"] as const).map((code) =>
      redirect(`/${code}`, { host_redirect: "other.host", response_code: code }),
    ),
    {
      match: { prefix: "/with-headers" },
      redirect: { host_redirect: "other.host" },
      response_headers_to_add: [add("x-more", "1")],
    },
  ],
  cases: [
    ...[
      "/https",
      "/scheme",
      "/host",
      "/port",
      "/both",
      "/path?a=b",
      "/query?a=b",
      "/prefix/x?a=b",
      "/strip?a=b",
      "/spath?x",
      "/with-headers",
    ].map((path) => get(path)),
    ...["/FOUND", "/SEE_OTHER", "/TEMPORARY_REDIRECT", "/PERMANENT_REDIRECT", "/MOVED_PERMANENTLY"].map((path) =>
      get(path),
    ),
    ...["app.test:80", "app.test:8080", "app.test:443", "[::1]:80", "[::1]"].flatMap((authority) =>
      ["/https", "/host", "/port", "/path"].map((path) => get(path, { authority })),
    ),
    get("/host", { method: "POST", body: "x" }),
    get("/host", { isHttp2: true }),
  ],
};

const mutations: Scenario = {
  name: "header changes",
  virtualHost: {
    request_headers_to_add: [add("x-level", "host")],
    response_headers_to_add: [add("x-level", "host")],
    response_headers_to_remove: ["x-app"],
  },
  routeConfig: {
    request_headers_to_add: [add("x-level", "config")],
    response_headers_to_add: [add("x-level", "config")],
    request_headers_to_remove: ["x-secret"],
  },
  routes: [
    {
      match: { prefix: "/levels" },
      route: { cluster: "one" },
      request_headers_to_add: [add("x-level", "route")],
      response_headers_to_add: [add("x-level", "route")],
    },
    {
      match: { prefix: "/actions" },
      route: { cluster: "one" },
      request_headers_to_add: [
        add("x-append", "new"),
        add("x-over", "new", { append_action: "OVERWRITE_IF_EXISTS_OR_ADD" }),
        add("x-if", "new", { append_action: "OVERWRITE_IF_EXISTS" }),
        add("x-absent", "new", { append_action: "ADD_IF_ABSENT" }),
        add("x-empty", ""),
        add("x-kept", "", { keep_empty_value: true }),
      ],
      request_headers_to_remove: ["x-gone", "User-Agent"],
    },
    {
      match: { prefix: "/formats" },
      route: { cluster: "one" },
      name: "formats",
      request_headers_to_add: [
        add("x-method", "%REQ(:METHOD)%"),
        add("x-path", "%REQ(:PATH)%"),
        add("x-or", "%REQ(X-NONE?X-A)%"),
        add("x-short", "%REQ(X-A):2%"),
        add("x-protocol", "%PROTOCOL%"),
        add("x-percent", "100%%"),
        add("x-client", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
        add("x-cluster", "%UPSTREAM_CLUSTER%"),
        add("x-route", "%ROUTE_NAME%"),
        add("x-nothing", "%REQ(X-NONE)%"),
        add("x-mixed", "a-%REQ(X-A)%-b"),
      ],
      response_headers_to_add: [
        add("x-code", "%RESPONSE_CODE%"),
        add("x-resp", "%RESP(X-APP)%"),
        add("x-host", "%REQ(:AUTHORITY)%"),
      ],
    },
    {
      match: { prefix: "/weighted" },
      route: {
        weighted_clusters: {
          clusters: [
            {
              name: "one",
              weight: 1,
              request_headers_to_add: [add("x-level", "cluster")],
              response_headers_to_add: [add("x-level", "cluster")],
            },
          ],
        },
      },
    },
    {
      match: { prefix: "/direct" },
      direct_response: { status: 200, body: { inline_string: "direct" } },
      response_headers_to_add: [
        add("x-a", "1"),
        add("content-type", "a/b", { append_action: "OVERWRITE_IF_EXISTS_OR_ADD" }),
      ],
    },
    { match: { prefix: "/fails" }, route: { cluster: "dead" }, response_headers_to_add: [add("x-a", "1")] },
  ],
  cases: [
    get("/levels", {
      headers: { "x-secret": "1", "x-level": "client" },
      answer: { headers: { "x-app": "1", "x-level": "app" } },
    }),
    get("/actions", {
      headers: {
        "x-append": "old",
        "x-over": "old",
        "x-if": "old",
        "x-absent": "old",
        "x-gone": "1",
        "user-agent": "me",
      },
    }),
    get("/actions"),
    get("/actions", { isHttp2: true, headers: { "x-over": "old" } }),
    get("/formats", { headers: { "x-a": "value" }, answer: { status: 201, headers: { "x-app": "app" } } }),
    get("/formats?x=y", { isHttp2: true }),
    get("/weighted"),
    get("/direct"),
    get("/direct", { isHttp2: true }),
    get("/direct", { method: "HEAD" }),
    get("/direct", { method: "POST", body: "x" }),
    get("/fails"),
    get("/nowhere"),
  ],
};

const specific: Scenario = {
  name: "most specific wins",
  virtualHost: { request_headers_to_add: [add("x-level", "host", { append_action: "OVERWRITE_IF_EXISTS_OR_ADD" })] },
  routeConfig: { most_specific_header_mutations_wins: true },
  routes: [
    {
      match: { prefix: "/" },
      route: { cluster: "one" },
      request_headers_to_add: [add("x-level", "route", { append_action: "OVERWRITE_IF_EXISTS_OR_ADD" })],
    },
  ],
  cases: [get("/")],
};

const quiet: Scenario = {
  name: "manager headers",
  routes: [{ match: { prefix: "/" }, route: { cluster: "one" } }],
  manager: {
    server_name: "mine",
    always_set_request_id_in_response: true,
    use_remote_address: false,
    http_filters: [filter("envoy.filters.http.router", "router.v3.Router", { suppress_envoy_headers: true })],
  },
  cases: [
    get("/"),
    get("/", { headers: { "x-forwarded-for": "1.2.3.4" } }),
    get("/", { headers: { "x-forwarded-proto": "https", "x-request-id": "given" } }),
    get("/", { answer: { headers: { server: "app" } } }),
  ],
};

const passing: Scenario = {
  name: "server header passes",
  routes: [{ match: { prefix: "/" }, route: { cluster: "one" } }],
  manager: { server_header_transformation: "PASS_THROUGH", generate_request_id: false, xff_num_trusted_hops: 1 },
  cases: [
    get("/"),
    get("/", { answer: { headers: { server: "app" } } }),
    get("/", { headers: { "x-forwarded-for": "1.2.3.4, 5.6.7.8" } }),
  ],
};

const absent: Scenario = {
  name: "server header if absent",
  routes: [{ match: { prefix: "/" }, route: { cluster: "one" } }],
  manager: { server_header_transformation: "APPEND_IF_ABSENT" },
  cases: [get("/"), get("/", { answer: { headers: { server: "app" } } })],
};

/** What is changed on the way. */
export const rewriting: readonly Scenario[] = [rewrites, redirects, mutations, specific, quiet, passing, absent];
