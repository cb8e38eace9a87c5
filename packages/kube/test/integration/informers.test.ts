// SPDX-License-Identifier: Apache-2.0
import { mkdtempDisposable, rename, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { ConfigMap, Pod } from "@ambientmesh/api/kubernetes";
import type { Change } from "@ambientmesh/core";
import { describe, expect, it } from "vitest";
import { RESOURCES, connectKube, createInformer, slimPod, type KubeClient } from "../../src/index.ts";
import { createLocalKube, type LocalKube } from "../../src/local/index.ts";
import { eventually } from "../support/eventually.ts";
import { clientOf } from "../support/local.ts";
import { fatPod } from "../support/objects.ts";
import { listenLocal, testTls } from "../support/tls-local.ts";

const metadata = (name: string): { name: string; namespace: string } => ({ name, namespace: "default" });

const told = (changes: readonly Change<ConfigMap>[]): readonly string[] =>
  changes.map(({ key, before, after }) => `${before === undefined ? "+" : after === undefined ? "-" : "~"}${key}`);

describe("informers over the wire", () => {
  it("list again after 410 without false removals or additions", async () => {
    await using local = await listenLocal();
    const admin = await clientOf(local.server);
    using client = await connectKube({
      kind: "server",
      server: local.url,
      ca: testTls.cert,
      token: local.server.adminToken,
    });
    await admin.create(RESOURCES.ConfigMap, { metadata: metadata("stays") });
    await admin.create(RESOURCES.ConfigMap, { metadata: metadata("goes") });
    // Watches of one second: the informer has to resume all the time.
    await using informer = createInformer(
      { resource: RESOURCES.ConfigMap, watchSeconds: 1, random: () => 0 },
      { client },
    );
    await informer.start();
    const changes: Change<ConfigMap>[] = [];
    let isFirst = true;
    informer.store.subscribe((batch) => {
      if (!isFirst) changes.push(...batch);
      isFirst = false;
    });
    await admin.delete(RESOURCES.ConfigMap, metadata("goes"));
    await eventually(() => changes.length === 1);
    await admin.create(RESOURCES.ConfigMap, { metadata: metadata("comes") });
    local.server.compact();
    await admin.create(RESOURCES.ConfigMap, { metadata: metadata("comes-later") });
    await eventually(() => informer.store.size === 3);
    expect(told(changes).toSorted()).toEqual(["+default/comes", "+default/comes-later", "-default/goes"]);
  });

  it("survive a restart of the server, whose versions and objects are others then", async () => {
    const first = await listenLocal();
    const { port } = new URL(first.url);
    const tokens = [{ token: "shared-token-of-both", username: "program" }];
    await first[Symbol.asyncDispose]();

    const start = async (names: readonly string[]): Promise<LocalKube> => {
      const server = createLocalKube({}, { tokens });
      await server.start();
      const admin = await clientOf(server);
      for (const name of names) await admin.create(RESOURCES.ConfigMap, { metadata: metadata(name) });
      await server.listen({ host: "127.0.0.1", port: Number(port), tls: testTls });
      return server;
    };
    const before = await start(["a", "b"]);
    using client = await connectKube({
      kind: "server",
      server: first.url,
      ca: testTls.cert,
      token: "shared-token-of-both",
    });
    await using informer = createInformer({ resource: RESOURCES.ConfigMap }, { client });
    await informer.start();
    expect([...informer.store.entries()].map(([key]) => key)).toEqual(["default/a", "default/b"]);
    const uids = [...informer.store.values()].map((object) => object.metadata.uid);
    await before[Symbol.asyncDispose]();
    await using _after = await start(["b", "c"]);
    await eventually(() => informer.store.get("default/c"));
    expect([...informer.store.entries()].map(([key]) => key).toSorted()).toEqual(["default/b", "default/c"]);
    expect(uids).not.toContain(informer.store.get("default/b")?.metadata.uid);
  });

  it("go on with a new token when the old one is refused", async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "kube-token-"));
    const tokenFile = join(folder.path, "token");
    const use = async (token: string): Promise<void> => {
      await writeFile(`${tokenFile}.new`, `${token}\n`);
      await rename(`${tokenFile}.new`, tokenFile);
    };
    await use("first-token");
    await using first = await listenLocal({ tokens: [{ token: "first-token", username: "program" }] });
    const { port } = new URL(first.url);
    using client = await connectKube({ kind: "server", server: first.url, ca: testTls.cert, tokenFile });
    await using informer = createInformer({ resource: RESOURCES.Namespace }, { client });
    await informer.start();
    await first.server[Symbol.asyncDispose]();
    await using second = createLocalKube({}, { tokens: [{ token: "second-token", username: "program" }] });
    await second.start();
    const admin = await clientOf(second);
    await admin.create(RESOURCES.Namespace, { metadata: { name: "new" } });
    await use("second-token");
    await second.listen({ host: "127.0.0.1", port: Number(port), tls: testTls });
    expect((await eventually(() => informer.store.get("new"))).metadata.name).toBe("new");
  });

  it("wait for a slow server, and ask again when it does not answer at all", async () => {
    let requests = 0;
    await using slow = await listenPlain((request, response) => {
      requests++;
      // The first request is never answered, the others late and in small pieces.
      if (requests === 1) return;
      const isWatch = request.url?.includes("watch=") === true;
      response.writeHead(200, { "content-type": "application/json" });
      const body = isWatch
        ? `${JSON.stringify({ type: "ADDED", object: { metadata: { name: "later", resourceVersion: "6" } } })}\n`
        : JSON.stringify({
            metadata: { resourceVersion: "5" },
            items: [{ metadata: { name: "slow", resourceVersion: "1" } }],
          });
      void trickle(response, body, isWatch);
    });
    using client = await connectKube({ kind: "server", server: slow.url }, {}, { headersTimeoutMs: 200 });
    await using informer = createInformer({ resource: RESOURCES.Namespace }, { client });
    await informer.start();
    expect(informer.store.size).toBe(1);
    await eventually(() => informer.store.get("later"));
    expect(requests).toBeGreaterThanOrEqual(3);
  });

  it("hold 10,000 pods in little memory", async () => {
    await using server = createLocalKube();
    await server.start();
    const admin = await clientOf(server);
    await createPods(admin, server, 10_000);
    const before = heapUsed();
    await using full = createInformer({ resource: RESOURCES.Pod }, { client: admin });
    await full.start();
    const between = heapUsed();
    await using slim = createInformer({ resource: RESOURCES.Pod, strip: slimPod }, { client: admin });
    await slim.start();
    const after = heapUsed();
    expect(full.store.size).toBe(10_000);
    expect(slim.store.size).toBe(10_000);
    const perFull = Math.round((between - before) / 10_000);
    const perSlim = Math.round((after - between) / 10_000);
    process.stdout.write(`heap per pod of 10,000: ${perFull} bytes whole, ${perSlim} bytes slim\n`);
    expect(perSlim).toBeLessThan(perFull);
    expect(perSlim).toBeLessThan(3000);
  });
});

async function createPods(admin: KubeClient, server: LocalKube, count: number): Promise<void> {
  for (let team = 0; team < 20; team++) await admin.create(RESOURCES.Namespace, { metadata: { name: `team-${team}` } });
  for (let index = 0; index < count; index++) server.objects.apply(fatPod(index) satisfies Pod, "test");
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heapUsed(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

async function listenPlain(
  handler: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ readonly url: string } & AsyncDisposable> {
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

async function trickle(response: ServerResponse, body: string, staysOpen: boolean): Promise<void> {
  for (const byte of body) {
    response.write(byte);
    await new Promise(setImmediate);
  }
  if (!staysOpen) response.end();
}
