// SPDX-License-Identifier: Apache-2.0
import type { Case, Scenario } from "../scenario.ts";
import type { Answer } from "../upstream.ts";

const everything = { match: { prefix: "/" }, route: { cluster: "one" } };
const get = (path: string, more: Partial<Case> = {}): Case => ({
  name: `GET ${path} ${JSON.stringify(more)}`,
  path,
  ...more,
});

const PATHS = [
  "/a/../b",
  "/a/./b",
  "/a//b",
  "/a/%2e%2e/b",
  "/a/%2E%2E/b",
  "/%2e%2e/%2e%2e/x",
  "/..",
  "/../../x",
  "/a/..",
  "/a/.",
  "/a/b/../",
  "/a\\b",
  "/a\\..\\b",
  "/%61%62c",
  "/%7Eme",
  "/%2F",
  "/a%2Fb",
  "/a%2fb",
  "/a%5Cb",
  "/a%5cb",
  "/a%00b",
  "/a%zz",
  "/a%",
  "/a%2",
  "/a;b=c/../d",
  "/a/...",
  "/a/..b",
  "/a?x=../y",
  "/a/b?c=//d",
  "/%E4%BD%A0",
  "/a|b",
  "/a{b}",
  "/a^b",
  "/a`b",
  "/a'b",
  '/a"b',
  "/a<b>",
  "/a~b",
  "/a%20b",
  "/a!$&()*+,;=:@b",
  "/a/%2e",
  "/a/%252e%252e/b",
  "/./a",
  "//",
  "///a",
  "/a///",
  "*",
  "/%C0%AE%C0%AE/",
];
const quick = PATHS.map((path) => get(path));

const plain: Scenario = { name: "paths as they are", routes: [everything], cases: quick };
const base: Scenario = {
  name: "paths normalised",
  routes: [everything],
  manager: { normalize_path: true },
  cases: quick,
};
const merged: Scenario = {
  name: "paths with slashes merged",
  routes: [everything],
  manager: { normalize_path: true, merge_slashes: true },
  cases: quick,
};
const slashes = (action: string): Scenario => ({
  name: `escaped slashes ${action}`,
  routes: [everything],
  manager: { normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: action },
  cases: ["/a%2Fb", "/a%5cb", "/a/b", "/a%2f%2fb?x=%2f", "/%2e%2e%2fa", "/a%2F..%2Fb"].map((path) => get(path)),
});

const hosts: Scenario = {
  name: "hosts stripped",
  routes: [everything],
  manager: { strip_any_host_port: true, strip_trailing_host_dot: true },
  cases: ["a.test:80", "a.test", "a.test.", "a.test.:80", "[::1]:80", "[::1]", "a:b"].map((authority) => ({
    name: authority,
    authority,
  })),
};

const underscores = (action: string): Scenario => ({
  name: `underscores ${action}`,
  routes: [everything],
  manager: { common_http_protocol_options: { headers_with_underscores_action: action } },
  cases: [
    get("/", { headers: { x_a: "1", "x-b": "2" } }),
    get("/"),
    get("/", { headers: { x_a: "1" }, isHttp2: true }),
  ],
});

const limits: Scenario = {
  name: "limits",
  routes: [everything],
  manager: { max_request_headers_kb: 8, common_http_protocol_options: { max_headers_count: 20 } },
  cases: [
    get("/"),
    ...[7000, 9000].map((length) => ({ name: `a header of ${length}`, headers: { "x-long": "v".repeat(length) } })),
    ...[10, 30].map((count) => ({
      name: `${count} headers`,
      headers: Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, "v"])),
    })),
  ],
};

function common(isHttp2: boolean): readonly Case[] {
  const one = (name: string, more: Partial<Case>, answer: Answer = {}): Case => ({
    name: `${name} ${isHttp2 ? "h2" : "h1"}`,
    isHttp2,
    answer,
    ...more,
  });
  return [
    ...["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"].map((method) => one(method, { method })),
    ...["POST", "PUT", "DELETE", "PATCH", "GET"].map((method) =>
      one(`${method} with a body`, { method, body: "body" }),
    ),
    ...[204, 304, 201, 302, 404, 500, 599].map((status) => one(`status ${status}`, {}, { status })),
    ...["HEAD", "POST"].map((method) => one(`${method} at h2`, { method, path: "/h2" })),
    one("a body at h2", { method: "POST", path: "/h2", body: "b".repeat(200_000) }),
    one("a long body", { method: "POST", body: "b".repeat(200_000) }),
    one("a long answer", {}, { body: "a".repeat(200_000) }),
    one("a long answer at h2", { path: "/h2" }, { body: "a".repeat(200_000) }),
    one("an empty answer", {}, { body: "" }),
    one("an empty answer at h2", { path: "/h2" }, { body: "" }),
    one(
      "headers of the connection",
      isHttp2 ? {} : { headers: { connection: "x-hop, close", "x-hop": "1", "keep-alive": "1", te: "gzip" } },
    ),
    one("te trailers", { headers: { te: "trailers" } }),
    one("te trailers at h2", { path: "/h2", headers: { te: "trailers" } }),
    one("trailers", { path: "/h2" }, { trailers: { "x-end": "1" } }),
    one("cookies", { headers: { cookie: ["a=1", "b=2"] } }),
    one("set-cookie", {}, { headers: { "set-cookie": "a=1" } }),
    one("a header of the proxy's", {
      headers: { "x-forwarded-proto": "https", "x-request-id": "mine", "x-forwarded-for": "10.0.0.1" },
    }),
    one(
      "an answer with hop headers",
      {},
      isHttp2 ? {} : { headers: { connection: "keep-alive, x-hop", "x-hop": "1" } },
    ),
    one("an answer with a length", {}, { headers: { "content-length": "8" }, body: "from one" }),
    one("empty values", { headers: { "x-empty": "" } }),
    one("an answer that breaks off", {}, { breaksOff: true }),
  ];
}

const semantics: Scenario = {
  name: "http",
  routes: [{ match: { prefix: "/h2" }, route: { cluster: "h2" } }, everything],
  cases: [...common(false), ...common(true)],
};

const line = (text: string): string => text.replaceAll("\n", "\r\n");
const raw = (name: string, text: string): Case => ({ name, raw: line(text) });
const NEXT = "GET /next HTTP/1.1\nhost: a\nx-case: {case}\n\n";

const smuggling: Scenario = {
  name: "smuggling",
  routes: [everything],
  cases: [
    raw("two requests in a row", `GET / HTTP/1.1\nhost: a\nx-case: {case}\n\n${NEXT}`),
    raw(
      "length and chunks",
      `POST / HTTP/1.1\nhost: a\nx-case: {case}\ncontent-length: 5\ntransfer-encoding: chunked\n\n0\n\n${NEXT}`,
    ),
    raw(
      "chunks and length",
      `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked\ncontent-length: 5\n\n0\n\n${NEXT}`,
    ),
    raw("two lengths", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ncontent-length: 1\ncontent-length: 2\n\nab${NEXT}`),
    raw("the same length twice", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ncontent-length: 1\ncontent-length: 1\n\na`),
    raw("a list of lengths", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ncontent-length: 1, 1\n\na`),
    raw("a negative length", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ncontent-length: -1\n\n`),
    raw("a length with a sign", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ncontent-length: +1\n\na`),
    raw("a length in hex", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ncontent-length: 0x1\n\na`),
    raw("an unknown coding", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: xchunked\n\n0\n\n`),
    raw("chunked twice", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked, chunked\n\n0\n\n`),
    raw("chunked not last", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked, gzip\n\n0\n\n`),
    raw(
      "two codings",
      `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked\ntransfer-encoding: identity\n\n0\n\n`,
    ),
    raw("chunked in capitals", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: CHUNKED\n\n1\na\n0\n\n`),
    raw("a space before the colon", `GET / HTTP/1.1\nhost: a\nx-case: {case}\ncontent-length : 5\n\nhello`),
    raw("a folded header", `GET / HTTP/1.1\nhost: a\nx-case: {case}\nx-a: b\n c\n\n`),
    raw("a header without a name", `GET / HTTP/1.1\nhost: a\nx-case: {case}\n: b\n\n`),
    raw("a name with a space", `GET / HTTP/1.1\nhost: a\nx-case: {case}\nx a: b\n\n`),
    raw("a zero octet in a value", `GET / HTTP/1.1\nhost: a\nx-case: {case}\nx-a: b\0c\n\n`),
    raw("no host", `GET / HTTP/1.1\nx-case: {case}\n\n`),
    raw("two hosts", `GET / HTTP/1.1\nhost: a\nhost: b\nx-case: {case}\n\n`),
    raw("an empty host", `GET / HTTP/1.1\nhost:\nx-case: {case}\n\n`),
    raw("a bad host", `GET / HTTP/1.1\nhost: a b\nx-case: {case}\n\n`),
    raw("an absolute target", `GET http://other/x?y HTTP/1.1\nhost: a\nx-case: {case}\n\n`),
    raw("HTTP/1.0", `GET / HTTP/1.0\nhost: a\nx-case: {case}\n\n`),
    raw("HTTP/1.2", `GET / HTTP/1.2\nhost: a\nx-case: {case}\n\n`),
    raw("HTTP/2.0 in a line", `GET / HTTP/2.0\nhost: a\nx-case: {case}\n\n`),
    raw("no version", `GET /\n\n`),
    raw("a space in the target", `GET /a b HTTP/1.1\nhost: a\nx-case: {case}\n\n`),
    raw("a bad method", `G@T / HTTP/1.1\nhost: a\nx-case: {case}\n\n`),
    raw("an unknown method", `PURR / HTTP/1.1\nhost: a\nx-case: {case}\n\n`),
    raw("a bad chunk size", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked\n\nxyz\na\n0\n\n`),
    raw(
      "a chunk that is too long",
      `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked\n\n1\nab\n0\n\n`,
    ),
    raw(
      "a chunk size with a sign",
      `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked\n\n+1\na\n0\n\n`,
    ),
    raw(
      "a huge chunk size",
      `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked\n\nfffffffffffffffff\na\n0\n\n`,
    ),
    raw("a chunk extension", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked\n\n1;a=b\na\n0\n\n`),
    raw("trailers", `POST / HTTP/1.1\nhost: a\nx-case: {case}\ntransfer-encoding: chunked\n\n1\na\n0\nx-t: 1\n\n`),
    raw("an empty line first", `\nGET / HTTP/1.1\nhost: a\nx-case: {case}\n\n`),
    { name: "line feeds alone", raw: "GET / HTTP/1.1\nhost: a\nx-case: {case}\n\n" },
    { name: "a bare carriage return", raw: "GET / HTTP/1.1\r\nhost: a\r\nx-case: {case}\r\nx-a: b\rc\r\n\r\n" },
    raw("expect continue", `POST / HTTP/1.1\nhost: a\nx-case: {case}\nexpect: 100-continue\ncontent-length: 2\n\nhi`),
    raw("connect", `CONNECT a:80 HTTP/1.1\nhost: a:80\nx-case: {case}\n\n`),
    raw(
      "an upgrade that is not allowed",
      `GET / HTTP/1.1\nhost: a\nx-case: {case}\nconnection: upgrade\nupgrade: websocket\n\n`,
    ),
    raw(
      "an upgrade to h2c",
      `GET / HTTP/1.1\nhost: a\nx-case: {case}\nconnection: upgrade, http2-settings\nupgrade: h2c\nhttp2-settings: AAMAAABkAAQAAP__\n\n`,
    ),
    raw("a get with a body", `GET / HTTP/1.1\nhost: a\nx-case: {case}\ncontent-length: 2\n\nhi${NEXT}`),
  ],
};

/** How HTTP itself is read and written. */
export const protocol: readonly Scenario[] = [
  plain,
  base,
  merged,
  ...["KEEP_UNCHANGED", "REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD"].map(slashes),
  hosts,
  ...["ALLOW", "REJECT_REQUEST", "DROP_HEADER"].map(underscores),
  limits,
  semantics,
  smuggling,
];
