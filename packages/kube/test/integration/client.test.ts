// SPDX-License-Identifier: Apache-2.0
import { chmod, mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { RESOURCES, connectKube, type KubeTarget } from "../../src/index.ts";
import { createLocalKube } from "../../src/local/index.ts";
import { listenLocal, testClientTls, testTls } from "../support/tls-local.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

interface Config extends AsyncDisposable {
  readonly folder: string;
  readonly path: string;
}

/** A kubeconfig whose cluster and user have these fields. */
async function kubeconfig(cluster: object, user: object): Promise<Config> {
  const folder = await mkdtempDisposable(join(tmpdir(), "kubeconfig-"));
  const path = join(folder.path, "config");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "main",
    contexts: [{ name: "main", context: { cluster: "c", user: "u", namespace: "shop" } }],
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user }],
  };
  await writeFile(path, JSON.stringify(config));
  return { folder: folder.path, path, [Symbol.asyncDispose]: () => folder.remove() };
}

async function listenRaw(handler: RequestListener): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe("connectKube", () => {
  it("takes token and CA from a kubeconfig, inline and from files beside it", async () => {
    await using local = await listenLocal();
    const token = local.server.adminToken;
    await using inline = await kubeconfig(
      { server: local.url, "certificate-authority-data": base64(testTls.cert) },
      { token },
    );
    await using files = await kubeconfig(
      { server: local.url, "certificate-authority": "ca.crt" },
      { tokenFile: "token" },
    );
    await writeFile(join(files.folder, "ca.crt"), testTls.cert);
    await writeFile(join(files.folder, "token"), `${token}\n`);
    for (const { path } of [inline, files]) {
      using client = await connectKube({ kind: "kubeconfig", path });
      expect(client.namespace).toBe("shop");
      expect((await client.list(RESOURCES.Namespace)).length).toBeGreaterThan(0);
    }
  });

  it("verifies the server unless told not to", async () => {
    await using local = await listenLocal();
    const user = { token: local.server.adminToken };
    await using strict = await kubeconfig({ server: local.url }, user);
    await using lax = await kubeconfig({ server: local.url, "insecure-skip-tls-verify": true }, user);
    using strictClient = await connectKube({ kind: "kubeconfig", path: strict.path });
    await expect(strictClient.list(RESOURCES.Namespace)).rejects.toMatchObject({
      code: "KUBE_UNAVAILABLE",
      retryable: true,
    });
    using laxClient = await connectKube({ kind: "kubeconfig", path: lax.path });
    expect((await laxClient.list(RESOURCES.Namespace)).length).toBeGreaterThan(0);
  });

  it("authenticates with the client certificate of a kubeconfig", async () => {
    await using server = createLocalKube();
    await server.start();
    const { port } = await server.listen({ host: "127.0.0.1", port: 0, tls: { ...testTls, ca: testTls.cert } });
    const user = {
      "client-certificate-data": base64(testClientTls.cert),
      "client-key-data": base64(testClientTls.key),
    };
    const cluster = { server: `https://127.0.0.1:${port}`, "certificate-authority-data": base64(testTls.cert) };
    await using config = await kubeconfig(cluster, user);
    using client = await connectKube({ kind: "kubeconfig", path: config.path });
    expect((await client.list(RESOURCES.Namespace)).length).toBe(4);
  });

  it("runs credential plugins through client-node", async () => {
    await using local = await listenLocal();
    await using folder = await mkdtempDisposable(join(tmpdir(), "kube-exec-"));
    const command = join(folder.path, "plugin.sh");
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: local.server.adminToken },
    };
    await writeFile(command, `#!/bin/sh\nprintf '%s' '${JSON.stringify(credential)}'\n`);
    await chmod(command, 0o755);
    const exec = { apiVersion: "client.authentication.k8s.io/v1", command, interactiveMode: "Never" };
    await using config = await kubeconfig(
      { server: local.url, "certificate-authority-data": base64(testTls.cert) },
      { exec },
    );
    using client = await connectKube({ kind: "kubeconfig", path: config.path });
    expect((await client.list(RESOURCES.Namespace)).length).toBeGreaterThan(0);
  });

  it("works as a pod does", async () => {
    await using local = await listenLocal();
    await using folder = await mkdtempDisposable(join(tmpdir(), "kube-sa-"));
    await mkdir(folder.path, { recursive: true });
    await writeFile(join(folder.path, "ca.crt"), testTls.cert);
    await writeFile(join(folder.path, "token"), local.server.adminToken);
    const port = Number(new URL(local.url).port);
    using client = await connectKube({ kind: "in-cluster", host: "127.0.0.1", port, directory: folder.path });
    expect((await client.list(RESOURCES.Namespace)).length).toBeGreaterThan(0);
  });

  test.each([
    ["a file that is not there", undefined, /ENOENT/],
    ["no YAML", "a: [", /kubeconfig .*config:/],
    ["no context", "kind: Config", /current-context is not set/],
    ["an unknown context", "current-context: x", /there is no context "x"/],
    [
      "an undefined cluster",
      JSON.stringify({ "current-context": "x", contexts: [{ name: "x", context: { cluster: "y" } }] }),
      /the cluster of context "x"/,
    ],
    [
      "an undefined user",
      JSON.stringify({
        "current-context": "x",
        contexts: [{ name: "x", context: { cluster: "y", user: "z" } }],
        clusters: [{ name: "y", cluster: { server: "https://a" } }],
      }),
      /the user of context "x"/,
    ],
    [
      "a server that is no URL",
      JSON.stringify({
        "current-context": "x",
        contexts: [{ name: "x", context: { cluster: "y" } }],
        clusters: [{ name: "y", cluster: { server: "ftp://a" } }],
      }),
      /cluster\.server must be/,
    ],
  ])("says what is wrong with %s", async (_what, text, message) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "kubeconfig-"));
    const path = join(folder.path, "config");
    if (text !== undefined) await writeFile(path, text);
    await expect(connectKube({ kind: "kubeconfig", path })).rejects.toMatchObject({
      code: "KUBE_CONFIG_INVALID",
      message: expect.stringMatching(message),
    });
  });

  it("names a file of the configuration that can't be read", async () => {
    using client = await connectKube({ kind: "server", server: "https://127.0.0.1:1", tokenFile: "/no/such/token" });
    await expect(client.list(RESOURCES.Pod)).rejects.toMatchObject({
      code: "KUBE_CONFIG_INVALID",
      message: expect.stringContaining("/no/such/token"),
    });
  });
});

describe("calls", () => {
  const clientFor = (url: string, options = {}): ReturnType<typeof connectKube> =>
    connectKube({ kind: "server", server: url, token: "t" } satisfies KubeTarget, {}, options);

  it("keep one connection for many calls", async () => {
    const sockets = new Set<unknown>();
    await using server = await listenRaw((request, response) => {
      sockets.add(request.socket);
      response.end(JSON.stringify({ metadata: { name: "a" } }));
    });
    using client = await clientFor(server.url);
    for (let call = 0; call < 5; call++) await client.get(RESOURCES.Namespace, { name: "a" });
    expect(sockets.size).toBe(1);
  });

  it("read again over a new connection when a kept one was closed", async () => {
    let requests = 0;
    await using server = await listenRaw((request, response) => {
      requests++;
      if (requests === 2) request.socket.destroy();
      else response.end(JSON.stringify({ metadata: { name: "a" } }));
    });
    using client = await clientFor(server.url);
    await client.get(RESOURCES.Namespace, { name: "a" });
    await client.get(RESOURCES.Namespace, { name: "a" });
    expect(requests).toBe(3);
  });

  it("refuse what is no Kubernetes API", async () => {
    await using server = await listenRaw((request, response) => {
      response.statusCode = request.url?.includes("teapot") === true ? 418 : 200;
      response.end("<html>I am a teapot</html>");
    });
    using client = await clientFor(server.url);
    await expect(client.list(RESOURCES.Pod)).rejects.toMatchObject({ code: "KUBE_RESPONSE_INVALID" });
    await expect(client.get(RESOURCES.Namespace, { name: "teapot" })).rejects.toMatchObject({
      code: "KUBE_BAD_REQUEST",
      details: { httpStatus: 418 },
    });
  });

  it("bound what they read", async () => {
    await using server = await listenRaw((_request, response) => response.end(`{"metadata": "${"x".repeat(5000)}"}`));
    using client = await clientFor(server.url, { maxResponseBytes: 1000 });
    await expect(client.get(RESOURCES.Namespace, { name: "a" })).rejects.toMatchObject({
      code: "KUBE_RESPONSE_TOO_LARGE",
    });
  });

  it("give up answers that stop in the middle", async () => {
    await using server = await listenRaw((_request, response) => void response.write('{"metadata":'));
    using client = await clientFor(server.url, { headersTimeoutMs: 50 });
    const failure = { code: "KUBE_TIMEOUT", retryable: true };
    await expect(client.get(RESOURCES.Namespace, { name: "a" })).rejects.toMatchObject(failure);
  });

  it("end with the signal, before and during the answer", async () => {
    await using server = await listenRaw((_request, response) => void response.write("{"));
    using client = await clientFor(server.url);
    const signal = AbortSignal.timeout(50);
    await expect(client.get(RESOURCES.Namespace, { name: "a" }, { signal })).rejects.toMatchObject({ code: "ABORTED" });
    await expect(client.get(RESOURCES.Namespace, { name: "a" }, { signal })).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("tell refusals apart, with what the server said", async () => {
    const answers = new Map<string, readonly [number, object | string]>([
      ["forbidden", [403, { kind: "Status", reason: "Forbidden", message: "pods is forbidden" }]],
      ["busy", [429, { kind: "Status", reason: "TooManyRequests", details: { retryAfterSeconds: 3 } }]],
      ["starting", [503, "starting"]],
      ["strange", [599, "strange"]],
    ]);
    await using server = await listenRaw((request, response) => {
      const [status, body] = answers.get(request.url?.split("/").at(-1) ?? "") ?? [404, "404 page not found"];
      response.statusCode = status;
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
    using client = await clientFor(server.url);
    const failureOf = (name: string): Promise<unknown> =>
      client.get(RESOURCES.Namespace, { name }).catch((error: unknown) => error);
    expect(await failureOf("forbidden")).toMatchObject({
      code: "KUBE_FORBIDDEN",
      retryable: false,
      message: "reading Namespace forbidden: pods is forbidden",
    });
    expect(await failureOf("busy")).toMatchObject({
      code: "KUBE_TOO_MANY_REQUESTS",
      retryable: true,
      details: { retryAfterMs: 3000 },
    });
    expect(await failureOf("starting")).toMatchObject({ code: "KUBE_UNAVAILABLE", retryable: true });
    expect(await failureOf("strange")).toMatchObject({ code: "KUBE_INTERNAL", retryable: true });
    expect(await failureOf("absent")).toMatchObject({ code: "KUBE_NOT_FOUND" });
  });

  it("need a namespace where the kind has one", async () => {
    using client = await clientFor("http://127.0.0.1:1");
    await expect(client.get(RESOURCES.Pod, { name: "a" })).rejects.toMatchObject({ code: "KUBE_BAD_REQUEST" });
    await expect(
      client.create(RESOURCES.Pod, { metadata: { name: "a" }, spec: { containers: [] } }),
    ).rejects.toMatchObject({ code: "KUBE_BAD_REQUEST" });
    await expect(client.get(RESOURCES.Pod, { name: "", namespace: "a" })).rejects.toMatchObject({
      code: "KUBE_BAD_REQUEST",
    });
  });
});
