// SPDX-License-Identifier: Apache-2.0
import { createServer, get, request, type IncomingMessage, type RequestListener } from "node:http";
import { connect as connectH2 } from "node:http2";
import { connect, type AddressInfo, type Socket } from "node:net";
import { once } from "node:events";
import { pipeline } from "node:stream/promises";
import { Readable, Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { startWaypoint, type RequestRecord, type Waypoint } from "../../src/index.ts";
import { bootstrapOf, clusterOf, listenerOf } from "../fixtures.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

async function app(handler: RequestListener, onUpgrade?: (socket: Socket) => void): Promise<number> {
  const server = createServer(handler);
  if (onUpgrade) server.on("upgrade", (_request, socket) => onUpgrade(socket as Socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const toApp = (more: object = {}): object => ({ match: { prefix: "/" }, route: { cluster: "app", ...more } });

async function proxy(
  ports: readonly number[],
  { route = toApp(), cluster = {}, manager = {} }: { route?: object; cluster?: object; manager?: object } = {},
): Promise<{ waypoint: Waypoint; port: number; records: RequestRecord[] }> {
  const records: RequestRecord[] = [];
  const bootstrap = bootstrapOf([listenerOf([route], manager)], [clusterOf("app", ports, cluster)]);
  const waypoint = stack.use(
    await startWaypoint(bootstrap, { onRequest: (record) => records.push(record) }, { drainMs: 50 }),
  );
  return { waypoint, port: waypoint.address("main")?.port ?? 0, records };
}

async function fetchText(
  port: number,
  path = "/",
): Promise<{ status: number; body: string; headers: IncomingMessage["headers"] }> {
  const sent = get({ port, path, host: "127.0.0.1", agent: false });
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response), headers: response.headers };
}

describe("bodies", () => {
  test("go both ways whole, however long, over HTTP/1 and HTTP/2", async () => {
    const backend = await app((incoming, response) => void pipeline(incoming, response));
    const { port } = await proxy([backend]);
    const size = 24 * 1024 * 1024;
    const chunk = Buffer.alloc(64 * 1024, "x");
    const source = (): Readable => Readable.from(Array.from({ length: size / chunk.length }, () => chunk));
    const counted = (): { sink: Writable; count: () => number } => {
      let count = 0;
      const sink = new Writable({
        write(piece: Buffer, _encoding, done) {
          count += piece.length;
          done();
        },
      });
      return { sink, count: () => count };
    };
    const one = request({ port, host: "127.0.0.1", method: "POST", agent: false });
    const answered = once(one, "response") as Promise<[IncomingMessage]>;
    const sending = pipeline(source(), one);
    const h1 = counted();
    await pipeline((await answered)[0], h1.sink);
    await sending;
    expect(h1.count()).toBe(size);

    const session = connectH2(`http://127.0.0.1:${port}`);
    stack.defer(() => session.destroy());
    const h2 = counted();
    await pipeline(source(), session.request({ ":method": "POST" }), h2.sink);
    expect(h2.count()).toBe(size);
  });

  test("wait at the client while the app does not read", async () => {
    const requests: IncomingMessage[] = [];
    const backend = await app((incoming) => void requests.push(incoming));
    const { port } = await proxy([backend]);
    const client = request({ port, host: "127.0.0.1", method: "POST", agent: false });
    client.on("error", () => client.destroy());
    const chunk = Buffer.alloc(1024 * 1024);
    let accepted = 0;
    while (accepted < 200 && client.write(chunk)) accepted++;
    // What the kernel and the streams hold is far below what a proxy without backpressure would take.
    const drained = once(client, "drain").then(() => "drained");
    const stuck = new Promise<string>((resolve) => void setTimeout(() => resolve("stuck"), 300));
    let outcome = await Promise.race([drained, stuck]);
    for (let sent = 0; outcome === "drained" && sent < 200; sent++) {
      if (client.write(chunk)) continue;
      const next = new Promise<string>((resolve) => void setTimeout(() => resolve("stuck"), 300));
      outcome = await Promise.race([once(client, "drain").then(() => "drained"), next]);
    }
    expect(outcome).toBe("stuck");
    client.destroy();
    expect(requests).toHaveLength(1);
  });
});

describe("upgrades", () => {
  const manager = { upgrade_configs: [{ upgrade_type: "websocket" }] };
  const HELLO = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

  async function upgraded(port: number): Promise<Socket> {
    const socket = connect(port, "127.0.0.1");
    stack.defer(() => void socket.destroy());
    socket.write(HELLO);
    const [head] = (await once(socket, "data")) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n/);
    return socket;
  }

  test("join client and app", async () => {
    const backend = await app(
      (_request, response) => response.end(),
      (socket) => {
        socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        socket.on("end", () => socket.end());
        socket.on("data", (data: Buffer) => socket.write(data.toString().toUpperCase()));
      },
    );
    const { port, records } = await proxy([backend], { manager });
    const socket = await upgraded(port);
    socket.write("ping");
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toBe("PING");
    socket.end();
    await once(socket, "close");
    await expect.poll(() => records.length).toBe(1);
  });

  test("that the app does not want are answered by it", async () => {
    const backend = await app((_request, response) => response.writeHead(400).end("no"));
    const { port } = await proxy([backend], { manager });
    const socket = connect(port, "127.0.0.1");
    stack.defer(() => void socket.destroy());
    socket.write(HELLO);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 [^]*no/);
  });
});

describe("limits", () => {
  const thresholds = (more: object): object => ({ circuit_breakers: { thresholds: [more] } });

  test("requests beyond what may wait are answered 503 with the flag UO, and counted back", async () => {
    const release = Promise.withResolvers<void>();
    const backend = await app((_request, response) => void release.promise.then(() => response.end("late")));
    const cluster = thresholds({ max_connections: 1, max_pending_requests: 1 });
    const { port, records } = await proxy([backend], { cluster });
    const first = fetchText(port);
    const rest = [fetchText(port), fetchText(port), fetchText(port)];
    await expect.poll(() => records.length).toBeGreaterThanOrEqual(2);
    expect(records.map(({ flags, response }) => [...flags, response?.status])).toEqual(records.map(() => ["UO", 503]));
    release.resolve();
    const statuses = (await Promise.all([first, ...rest])).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2);
    expect((await fetchText(port)).status).toBe(200);
  });

  test("connections are used again", async () => {
    const sockets = new Set<Socket>();
    const backend = await app((incoming, response) => {
      sockets.add(incoming.socket);
      response.end("x");
    });
    const { port } = await proxy([backend]);
    for (let round = 0; round < 5; round++) expect((await fetchText(port)).body).toBe("x");
    expect(sockets.size).toBe(1);
  });

  test("a host that keeps failing is ejected", async () => {
    const bad = await app((_request, response) => response.writeHead(500).end());
    const good = await app((_request, response) => response.end());
    const outlier = { consecutive_5xx: 2, max_ejection_percent: 50, enforcing_success_rate: 0 };
    const { port } = await proxy([bad, good], { cluster: { outlier_detection: outlier } });
    const statuses: number[] = [];
    for (let round = 0; round < 12; round++) statuses.push((await fetchText(port)).status);
    expect(statuses.filter((status) => status === 500)).toHaveLength(2);
  });
});

describe("ends", () => {
  test("a client that goes away ends its request at the app", async () => {
    const gone = Promise.withResolvers<void>();
    const backend = await app((incoming) => void incoming.once("close", gone.resolve));
    const { port, records } = await proxy([backend]);
    const client = get({ port, host: "127.0.0.1", agent: false });
    client.on("error", () => client.destroy());
    setTimeout(() => client.destroy(), 100);
    await gone.promise;
    await expect.poll(() => records.map(({ flags }) => [...flags].join())).toEqual(["DC"]);
  });

  test("a proxy that ends lets requests under way finish", async () => {
    const arrived = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const backend = await app((_request, response) => {
      arrived.resolve();
      void release.promise.then(() => response.end("done"));
    });
    const bootstrap = bootstrapOf([listenerOf([toApp()])], [clusterOf("app", [backend])]);
    const waypoint = await startWaypoint(bootstrap, {}, { drainMs: 5000 });
    const port = waypoint.address("main")?.port ?? 0;
    const answer = fetchText(port);
    await arrived.promise;
    const ended = waypoint[Symbol.asyncDispose]();
    await expect(fetchText(port)).rejects.toThrow(/ECONNREFUSED/);
    release.resolve();
    expect(await answer).toMatchObject({ status: 200, body: "done", headers: { connection: "close" } });
    await ended;
  });

  test("an address in use is refused", async () => {
    const taken = await app((_request, response) => response.end());
    const listener = { ...listenerOf([]), address: { socket_address: { address: "127.0.0.1", port_value: taken } } };
    await expect(startWaypoint(bootstrapOf([listener], []))).rejects.toMatchObject({ code: "WAYPOINT_LISTEN" });
  });
});
