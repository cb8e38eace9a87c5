// SPDX-License-Identifier: Apache-2.0
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { fileURLToPath } from "node:url";
import type { ConfigMap } from "@ambientmesh/api/kubernetes";
import { describe, expect, it, test } from "vitest";
import { RESOURCES, connectKube } from "../../src/index.ts";
import { createLocalKube } from "../../src/local/index.ts";
import { eventually } from "../support/eventually.ts";
import { listenLocal, testClientTls, testTls } from "../support/tls-local.ts";

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

async function call(
  url: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { method = "GET", headers = {}, body } = options;
  const request = httpRequest(url, { method, headers });
  request.end(body);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8"), headers: response.headers };
}

async function startPlain(
  options = {},
): Promise<
  { url: string; bearer: Record<string, string>; server: ReturnType<typeof createLocalKube> } & AsyncDisposable
> {
  const server = createLocalKube({}, options);
  await server.start();
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  const bearer = { authorization: `Bearer ${server.adminToken}` };
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    bearer,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

describe("authentication", () => {
  test.each([
    ["nobody", {}],
    ["a wrong token", { authorization: "Bearer wrong" }],
    ["another scheme", { authorization: "Basic YTpi" }],
    ["an empty token", { authorization: "Bearer " }],
  ])("refuses %s", async (_who, headers: Record<string, string>) => {
    await using local = await startPlain();
    const answer = await call(`${local.url}/api/v1/namespaces`, { headers });
    expect(answer.status).toBe(401);
    expect(JSON.parse(answer.body)).toMatchObject({ kind: "Status", reason: "Unauthorized" });
    expect((await call(`${local.url}/openapi/v3`, { headers })).status).toBe(401);
    expect((await call(`${local.url}/nothing`, { headers })).status).toBe(401);
  });

  it("refuses before it reads a body", async () => {
    await using local = await startPlain({ maxBodyBytes: 1000 });
    const answer = await call(`${local.url}/api/v1/namespaces`, { method: "POST", body: "x".repeat(5000) });
    expect(answer.status).toBe(401);
  });

  it("tells everybody health and version", async () => {
    await using local = await startPlain();
    expect(await call(`${local.url}/readyz?verbose`)).toMatchObject({ status: 200, body: "ok" });
    expect((await call(`${local.url}/version`)).status).toBe(200);
  });

  it("knows users by verified client certificates, and nobody by others", async () => {
    await using server = createLocalKube();
    await server.start();
    const { port } = await server.listen({ host: "127.0.0.1", port: 0, tls: { ...testTls, ca: testTls.cert } });
    const review = async (tls: { cert?: string; key?: string }): Promise<unknown> => {
      const body = JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" });
      const options = { method: "POST", ca: testTls.cert, headers: { "content-type": "application/json" }, ...tls };
      const request = httpsRequest(
        `https://127.0.0.1:${port}/apis/authentication.k8s.io/v1/selfsubjectreviews`,
        options,
      );
      request.end(body);
      const [response] = (await once(request, "response")) as [IncomingMessage];
      return JSON.parse((await response.setEncoding("utf8").toArray()).join(""));
    };
    expect(await review(testClientTls)).toMatchObject({
      status: { userInfo: { username: "alice", groups: ["team-a", "team-b", "system:authenticated"] } },
    });
    expect(await review({})).toMatchObject({ reason: "Unauthorized" });
  });

  it("knows service accounts by their tokens", async () => {
    await using local = await listenLocal();
    using admin = await connectKube({
      kind: "server",
      server: local.url,
      ca: testTls.cert,
      token: local.server.adminToken,
    });
    await eventually(() => admin.find(RESOURCES.ServiceAccount, { name: "default", namespace: "default" }));
    const { token } = await admin.requestToken({ name: "default", namespace: "default" }, {});
    using account = await connectKube({ kind: "server", server: local.url, ca: testTls.cert, token });
    expect((await account.list(RESOURCES.Namespace)).length).toBeGreaterThan(0);
    await admin.delete(RESOURCES.ServiceAccount, { name: "default", namespace: "default" });
    await expect(account.list(RESOURCES.Namespace)).rejects.toMatchObject({ code: "KUBE_UNAUTHORIZED" });
  });
});

describe("bodies", () => {
  test.each([
    ["too large", "application/json", JSON.stringify({ metadata: { name: "x".repeat(2000) } }), 413],
    ["no JSON", "application/json", "{", 400],
    ["too deep", "application/json", `${"[".repeat(300)}${"]".repeat(300)}`, 400],
    ["poisonous", "application/json", '{"__proto__": {}}', 400],
    ["an unknown type", "application/cbor", "{}", 415],
    ["empty", "application/json", "", 400],
    ["no YAML", "application/yaml", "a: [", 400],
    [
      "a YAML bomb",
      "application/yaml",
      [
        "a: &a [1,1,1]",
        ...Array.from(
          { length: 9 },
          (_, n) =>
            `b${n}: &b${n} [${Array(20)
              .fill(`*${n === 0 ? "a" : `b${n - 1}`}`)
              .join(",")}]`,
        ),
      ].join("\n"),
      400,
    ],
  ])("that are %s are refused", async (_what, contentType, body, status) => {
    await using local = await startPlain({ maxBodyBytes: 1000 });
    const answer = await call(`${local.url}/api/v1/namespaces`, {
      method: "POST",
      headers: { ...local.bearer, "content-type": contentType },
      body,
    });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toMatchObject({ kind: "Status", status: "Failure" });
  });

  it("may be YAML", async () => {
    await using local = await startPlain();
    const body = "apiVersion: v1\nkind: Namespace\nmetadata: {name: from-yaml}\n";
    const headers = { ...local.bearer, "content-type": "application/yaml" };
    expect((await call(`${local.url}/api/v1/namespaces`, { method: "POST", headers, body })).status).toBe(201);
  });

  test.each([
    "/api/v1/%zz",
    "/api/v1/pods//x",
    "/apis",
    "/apis/none",
    "/apis/apps/v9",
    "/api/v9/pods",
    "/api/v1/namespaces/a/b/c/d/e",
    "/",
  ])("at odd paths such as %s get an answer", async (path) => {
    await using local = await startPlain();
    const answer = await call(`${local.url}${path}`, { headers: local.bearer });
    expect([200, 400, 404]).toContain(answer.status);
  });
});

describe("listeners", () => {
  it("may be several, plain and TLS, our own and the caller's, and a socket made elsewhere", async () => {
    await using server = createLocalKube();
    await server.start();
    const plain = await server.listen({ host: "127.0.0.1", port: 0 });
    const tls = await server.listen({ host: "127.0.0.1", port: 0, tls: testTls });
    const own = createServer();
    own.listen(0, "127.0.0.1");
    await once(own, "listening");
    const attached = server.attach(own);
    const port = (own.address() as { port: number }).port;
    for (const url of [`http://127.0.0.1:${plain.port}`, `https://127.0.0.1:${tls.port}`, `http://127.0.0.1:${port}`]) {
      using client = await connectKube({ kind: "server", server: url, ca: testTls.cert, token: server.adminToken });
      expect((await client.list(RESOURCES.Namespace)).length).toBe(4);
    }
    attached[Symbol.dispose]();
    own.on("request", (_request, response) => response.end("mine again"));
    expect((await call(`http://127.0.0.1:${port}/version`)).body).toBe("mine again");
    own.closeAllConnections();
    await new Promise((resolve) => own.close(resolve));
  });

  it("may be a socket that somebody else opened", async () => {
    const opener = createTcpServer();
    opener.listen(0, "127.0.0.1");
    await once(opener, "listening");
    const { port } = opener.address() as { port: number };
    const { fd } = (opener as unknown as { readonly _handle: { readonly fd: number } })._handle;
    const script = fileURLToPath(new URL("../support/serve-fd.ts", import.meta.url));
    const child = spawn(process.execPath, ["--conditions=@ambientmesh/source", script], {
      stdio: ["ignore", "pipe", "inherit", fd],
    });
    try {
      // From here on only the child accepts.
      opener.close();
      const [token] = (await once(child.stdout?.setEncoding("utf8") ?? child, "data")) as [string];
      using client = await connectKube({ kind: "server", server: `http://127.0.0.1:${port}`, token: token.trim() });
      expect((await client.list(RESOURCES.Namespace)).length).toBe(4);
    } finally {
      child.kill();
      await once(child, "exit");
    }
  });

  it("say which address is taken, and clean up", async () => {
    const occupant = createTcpServer();
    occupant.listen(0, "127.0.0.1");
    await once(occupant, "listening");
    const { port } = occupant.address() as { port: number };
    await using server = createLocalKube();
    await server.start();
    await expect(server.listen({ host: "127.0.0.1", port })).rejects.toMatchObject({
      code: "KUBE_LISTEN_FAILED",
      message: expect.stringContaining(String(port)),
    });
    await new Promise((resolve) => occupant.close(resolve));
  });

  it("are refused before the start", async () => {
    await using server = createLocalKube();
    expect(() => server.connect()).toThrow("has not been started");
  });
});

describe("watches over sockets", () => {
  it("end when the server stops", async () => {
    const local = await startPlain();
    const { url, bearer } = local;
    const watching = call(`${url}/api/v1/namespaces?watch=true`, { headers: bearer });
    await eventually(async () => (await call(`${url}/healthz`)).status === 200);
    await local[Symbol.asyncDispose]();
    const answer = await watching.catch((error: unknown) => error);
    expect(answer instanceof Error || (answer as Answer).body.includes('"ADDED"')).toBe(true);
  });

  it("tell a reader that falls too far behind to list again", async () => {
    await using local = await startPlain({ maxWatchBacklog: 50 });
    const request = httpRequest(`${local.url}/api/v1/configmaps?watch=true&resourceVersion=`, {
      headers: local.bearer,
    });
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.pause();
    const big = "x".repeat(100_000);
    for (let index = 0; index < 300; index++) {
      const metadata = { name: `c${index}`, namespace: "default" };
      const object: ConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { big } };
      local.server.objects.apply(object, "test");
      if (index % 20 === 0) await new Promise(setImmediate);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const last = Buffer.concat(chunks).toString("utf8").trim().split("\n").at(-1) ?? "";
    expect(JSON.parse(last)).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
  });

  it("begin with everything and a mark where asked (streaming lists)", async () => {
    await using local = await startPlain();
    const path =
      "/api/v1/namespaces?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    const { body } = await call(`${local.url}${path}`, { headers: local.bearer });
    const events = body
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text) as { type: string; object: { metadata: { annotations?: object } } });
    expect(events.map(({ type }) => type)).toEqual(["ADDED", "ADDED", "ADDED", "ADDED", "BOOKMARK"]);
    expect(events.at(-1)?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
  });

  it("send bookmarks to who wants them", async () => {
    await using local = await startPlain({ bookmarkMs: 20 });
    const { body } = await call(`${local.url}/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=1`, {
      headers: local.bearer,
    });
    expect(body.split("\n").filter((text) => text.includes('"BOOKMARK"')).length).toBeGreaterThan(1);
    const { body: without } = await call(`${local.url}/api/v1/pods?watch=true&timeoutSeconds=1`, {
      headers: local.bearer,
    });
    expect(without).toBe("");
  });
});
