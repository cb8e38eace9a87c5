// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { request, type IncomingMessage } from "node:http";
import { buffer, text } from "node:stream/consumers";
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { describe, expect, it, test } from "vitest";
import {
  LogLevels,
  Readiness,
  createAdminServer,
  createMetrics,
  jsonRoute,
  loggingRoute,
  loopback,
  metricsRoutes,
  quitRoute,
  readinessRoute,
  type AdminListener,
  type AdminRoute,
  type AdminServer,
} from "../../src/index.ts";

const local: readonly AdminListener[] = [{ host: "127.0.0.1", port: 0 }];

async function started(routes: readonly AdminRoute[], options: { title?: string; drainMs?: number } = {}) {
  const server = createAdminServer({}, { listeners: local, routes, ...options });
  await server.start();
  const port = server.addresses[0]?.port as number;
  return { server, port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: Buffer;
}

/** Unlike fetch, sends only the headers it is given and leaves bodies encoded. */
async function ask(url: string, method = "GET", headers: Record<string, string> = {}, body?: string): Promise<Answer> {
  const sent = request(url, { method, headers, agent: false });
  sent.end(body);
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: await buffer(answer) };
}

const echo: AdminRoute = {
  path: "/echo",
  methods: ["POST"],
  description: "echo",
  handle: ({ body, query }) => ({ body: `${query.get("q") ?? ""}${body}` }),
};

describe("a request", () => {
  it("tells where it really comes from", async () => {
    const who: AdminRoute = {
      path: "/who",
      methods: ["GET"],
      description: "who",
      handle: (r) => ({ body: r.remoteAddress }),
    };
    await using server = await started([who]);
    const answer = await ask(`${server.url}/who`, "GET", { "x-forwarded-for": "192.0.2.1" });
    expect(answer.body.toString()).toBe("127.0.0.1");
  });
});

describe("metrics", () => {
  const metrics = createMetrics();
  metrics.counter({ name: "c_total", help: "C" }).with({}).add(2);

  test.each([
    [undefined, "text/plain; version=0.0.4; charset=utf-8"],
    ["*/*", "text/plain; version=0.0.4; charset=utf-8"],
    ["application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"],
    [
      "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ],
    ["application/openmetrics-text;q=0.3,text/plain;q=0.5", "text/plain; version=0.0.4; charset=utf-8"],
    ["application/openmetrics-text;q=0", "text/plain; version=0.0.4; charset=utf-8"],
  ])("Accept %s is answered with %s", async (accept, contentType) => {
    await using admin = await started(metricsRoutes(metrics));
    const headers = accept === undefined ? undefined : { accept };
    const answer = await ask(`${admin.url}/stats/prometheus`, "GET", headers);
    expect(answer.headers["content-type"]).toBe(contentType);
    const isOpen = contentType.startsWith("application");
    expect(answer.body.toString()).toBe(
      isOpen
        ? "# HELP c C\n# TYPE c counter\nc_total 2\n# EOF\n"
        : "# HELP c_total C\n# TYPE c_total counter\nc_total 2\n",
    );
  });

  it("answers any method", async () => {
    await using admin = await started(metricsRoutes(metrics));
    for (const method of ["GET", "POST", "PUT", "OPTIONS"]) {
      expect((await ask(`${admin.url}/metrics`, method)).body.toString()).toContain("c_total 2");
    }
    expect(await ask(`${admin.url}/metrics`, "HEAD")).toMatchObject({ status: 200, body: Buffer.alloc(0) });
  });

  test.each([
    ["gzip", gunzipSync],
    ["br", brotliDecompressSync],
    ["zstd", zstdDecompressSync],
    ["deflate", inflateSync],
  ])("compresses with %s", async (encoding, decompress) => {
    const large: AdminRoute = {
      path: "/x",
      methods: "any",
      description: "",
      handle: () => ({ body: "x".repeat(5000) }),
    };
    await using admin = await started([large]);
    const answer = await ask(`${admin.url}/x`, "GET", { "accept-encoding": `identity;q=0.1, ${encoding}` });
    expect(answer.headers["content-encoding"]).toBe(encoding);
    expect(decompress(answer.body).toString()).toBe("x".repeat(5000));
    const refused = await ask(`${admin.url}/x`, "GET", { "accept-encoding": `${encoding};q=0, constructor` });
    expect(refused.headers["content-encoding"]).toBeUndefined();
  });
});

describe("readiness", () => {
  it("names what is pending until nothing is", async () => {
    const readiness = new Readiness();
    const proxy = readiness.begin("proxy");
    const state = readiness.begin("dns proxy");
    const again = readiness.begin("proxy");
    await using admin = await started([readinessRoute(readiness)]);
    const url = `${admin.url}/healthz/ready`;
    const first = await ask(url);
    expect([first.status, first.body.toString()]).toEqual([500, "not ready, pending: dns proxy, proxy\n"]);
    for (const task of [proxy, proxy, state]) task[Symbol.dispose]();
    expect((await ask(url)).body.toString()).toBe("not ready, pending: proxy\n");
    again[Symbol.dispose]();
    const last = await ask(url);
    expect([last.status, last.body.toString()]).toEqual([200, "ready\n"]);
    expect(await ask(url, "POST")).toMatchObject({ status: 405, headers: { allow: "GET" } });
  });
});

describe("logging", () => {
  test.each([
    ["", 200, "current log level is info,dns=warn\n"],
    ["?level=debug", 200, "current log level is debug,dns=warn\n"],
    ["?level=xds=debug,dns=error", 200, "current log level is info,dns=error,xds=debug\n"],
    ["?level=xds%3Ddebug&level=warn", 200, "current log level is warn,dns=warn,xds=debug\n"],
    ["?reset&level=xds=debug", 200, "current log level is info,dns=warn,xds=debug\n"],
    ["?level=loud", 400, 'names "loud"'],
    ["?reset=1&level=xds", 400, "usage: POST /logging"],
  ])("POST /logging%s", async (query, status, body) => {
    const levels = new LogLevels("info,dns=warn");
    await using admin = await started([loggingRoute(levels)]);
    const answer = await ask(`${admin.url}/logging${query}`, "POST");
    expect(answer.status).toBe(status);
    expect(answer.body.toString()).toContain(body);
  });

  it("appends over several requests, resets, and explains itself on GET", async () => {
    const levels = new LogLevels("info");
    await using admin = await started([loggingRoute(levels)]);
    await ask(`${admin.url}/logging?level=a=debug`, "POST");
    await ask(`${admin.url}/logging?level=b=debug`, "POST");
    expect(String(levels)).toBe("info,a=debug,b=debug");
    await ask(`${admin.url}/logging?reset`, "POST");
    expect(String(levels)).toBe("info");
    const help = await ask(`${admin.url}/logging?level=debug`);
    expect([help.status, String(levels)]).toEqual([405, "info"]);
    expect(help.body.toString()).toContain("usage: POST /logging");
  });
});

describe("other routes", () => {
  it("quits on POST only", async () => {
    let quits = 0;
    await using admin = await started([quitRoute(() => quits++)]);
    expect((await ask(`${admin.url}/quitquitquit`)).status).toBe(405);
    expect(quits).toBe(0);
    const answer = await ask(`${admin.url}/quitquitquit`, "POST");
    expect([answer.status, answer.body.toString(), quits]).toEqual([200, "shutdown now\n", 1]);
  });

  it("dumps JSON with sorted keys", async () => {
    const dump = (): unknown => ({ b: 1, a: [{ d: 1n, c: undefined, B: 2 }] });
    await using admin = await started([jsonRoute({ path: "/config_dump", description: "state", dump })]);
    const answer = await ask(`${admin.url}/config_dump`);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.body.toString()).toBe(`${JSON.stringify({ a: [{ B: 2, d: "1" }], b: 1 }, undefined, 2)}\n`);
  });

  it("lists its routes, escaped", async () => {
    const odd: AdminRoute = { path: "/odd", methods: ["GET"], description: "<b>&\nmore", handle: () => ({ body: "" }) };
    await using admin = await started([odd], { title: "ztunnel" });
    const page = (await ask(`${admin.url}/`)).body.toString();
    expect(page).toContain('<li><a href="/odd">/odd</a> &lt;b&gt;&amp;</li>');
    expect(page).not.toContain("<b>");
  });

  it("answers 404, 413 and 500 without telling more", async () => {
    const broken: AdminRoute = {
      path: "/broken",
      methods: ["GET"],
      description: "",
      handle: () => Promise.reject(new Error("secret path")),
    };
    await using admin = await started([echo, broken]);
    expect(await ask(`${admin.url}/nowhere`)).toMatchObject({ status: 404, body: Buffer.from("not found\n") });
    expect((await ask(`${admin.url}/echo`, "POST", {}, "x".repeat(70_000))).status).toBe(413);
    const answer = await ask(`${admin.url}/broken`);
    expect([answer.status, answer.body.toString()]).toEqual([500, "internal error, see the log\n"]);
  });

  it.each([
    "",
    "text/plain",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
  ])("takes a body of type %j as it is", async (type) => {
    await using admin = await started([echo]);
    const headers = type === "" ? {} : { "content-type": type };
    const answer = await ask(`${admin.url}/echo?q=a%2Bb`, "POST", headers, "{not json");
    expect([answer.status, answer.body.toString()]).toEqual([200, "a+b{not json"]);
  });

  it.each([
    ["POST", "http://evil.example", 403],
    ["POST", "null", 403],
    ["GET", "http://evil.example", 405],
  ])("%s from the page %s gets %d", async (method, origin, status) => {
    await using admin = await started([echo]);
    expect((await ask(`${admin.url}/echo`, method, { origin })).status).toBe(status);
    expect((await ask(`${admin.url}/echo`, "POST", { origin: admin.url })).status).toBe(200);
  });
});

async function socketTo(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

describe("limits and life", () => {
  it("does not wait for slow headers", async () => {
    await using admin = await started([echo]);
    const socket = await socketTo(admin.port);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ");
    expect(await text(socket)).toContain("408 Request Timeout");
  });

  it("refuses large headers", async () => {
    await using admin = await started([echo]);
    const socket = await socketTo(admin.port);
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${"x".repeat(9000)}\r\n\r\n`);
    expect(await text(socket)).toContain("431 Request Header Fields Too Large");
  });

  it("serves on every address there is", async () => {
    const listeners: AdminListener[] = [...loopback(0), { host: "192.0.2.1", port: 0, isOptional: true }];
    await using server = createAdminServer({}, { listeners, routes: [quitRoute(() => {})] });
    await server.start();
    expect(server.addresses.map(({ host }) => host)).toContain("127.0.0.1");
    expect(server.addresses.map(({ host }) => host)).not.toContain("192.0.2.1");
    for (const { host, port } of server.addresses) {
      const name = host.includes(":") ? `[${host}]` : host;
      expect((await ask(`http://${name}:${port}/quitquitquit`, "POST")).status).toBe(200);
    }
  });

  it("leaves nothing open when an address is taken", async () => {
    await using first = await started([echo]);
    const listeners = [...local, { host: "127.0.0.1", port: first.port }];
    const second = createAdminServer({}, { listeners, routes: [echo] });
    await expect(second.start()).rejects.toMatchObject({ code: "ADMIN_LISTEN_FAILED", details: { port: first.port } });
    expect(second.addresses).toEqual([]);
    await expect(second.start()).rejects.toMatchObject({ code: "ADMIN_STARTED_TWICE" });
  });

  it("gives up its start when told to, and is disposed before it was started", async () => {
    const server = createAdminServer({}, { listeners: local, routes: [] });
    await expect(server.start(AbortSignal.abort())).rejects.toMatchObject({ code: "ABORTED" });
    const unused: AdminServer = createAdminServer({}, { listeners: local, routes: [] });
    await unused[Symbol.asyncDispose]();
    await unused[Symbol.asyncDispose]();
    await expect(unused.start()).rejects.toMatchObject({ code: "ADMIN_STARTED_TWICE" });
  });

  it("closes idle connections, tells running requests, and cuts what stays", async () => {
    const entered = Promise.withResolvers<AbortSignal>();
    const endless: AdminRoute = {
      path: "/endless",
      methods: ["GET"],
      description: "",
      handle: ({ signal }) => {
        entered.resolve(signal);
        return new Promise(() => {});
      },
    };
    const admin = await started([endless], { drainMs: 50 });
    const idle = await socketTo(admin.port);
    const asked = ask(`${admin.url}/endless`);
    const cut = asked.catch((error: unknown) => String(error));
    const signal = await entered.promise;
    expect(signal.aborted).toBe(false);
    await admin.server[Symbol.asyncDispose]();
    expect(signal.aborted).toBe(true);
    expect(await cut).toContain("socket hang up");
    idle.resume();
    if (!idle.closed) await once(idle, "close");
  });

  it("tells a handler that its client is gone", async () => {
    const entered = Promise.withResolvers<AbortSignal>();
    const released = Promise.withResolvers<void>();
    const waiting: AdminRoute = {
      path: "/waiting",
      methods: ["GET"],
      description: "",
      handle: async ({ signal }) => {
        signal.addEventListener("abort", () => released.resolve());
        entered.resolve(signal);
        await released.promise;
        return { body: "" };
      },
    };
    await using admin = await started([waiting]);
    const socket = await socketTo(admin.port);
    socket.write("GET /waiting HTTP/1.1\r\nHost: x\r\n\r\n");
    await entered.promise;
    socket.destroy();
    await released.promise;
    expect((await entered.promise).aborted).toBe(true);
  });
});
