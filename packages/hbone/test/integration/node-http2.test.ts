// SPDX-License-Identifier: Apache-2.0
/** node:http2 is the oracle: whatever it sends we must read, whatever we send it must read. */
import { once } from "node:events";
import {
  connect,
  constants,
  createSecureServer,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type Http2SecureServer,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { clientTlsOptions, serverTlsOptions } from "@ambientmesh/spiffe";
import { describe, expect, it } from "vitest";
import { joinTunnel, type ConnectRequest } from "../../src/index.ts";
import {
  buffers,
  dial,
  hashOf,
  identities,
  listen,
  opened,
  openConnection,
  readAll,
  sendRandom,
  SERVER_ID,
  startServer,
} from "../support/mesh.ts";
import { until } from "../support/turns.ts";

const MB = 1_000_000;

async function http2Client(port: number, settings: Settings = {}): Promise<ClientHttp2Session & AsyncDisposable> {
  const { client } = await identities();
  const session = connect(`https://127.0.0.1:${port}`, {
    ...clientTlsOptions(client, { expectedIds: [SERVER_ID] }),
    settings,
  });
  session.on("error", () => session.destroy());
  await once(session, "remoteSettings");
  return Object.assign(session, {
    [Symbol.asyncDispose]: async () => {
      session.destroy();
      if (!session.closed) await once(session, "close");
    },
  });
}

async function tunnelOf(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders = {},
): Promise<{ stream: ClientHttp2Stream; status: number; headers: Record<string, unknown> }> {
  const stream = session.request(
    { ":method": "CONNECT", ":authority": "10.0.0.1:80", ...headers },
    { endStream: false },
  );
  const [received] = (await once(stream, "response")) as [Record<string, unknown>];
  return { stream, status: Number(received[":status"]), headers: received };
}

async function http2Server(
  onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void,
  settings: Settings = {},
): Promise<Http2SecureServer & { port: number } & AsyncDisposable> {
  const { server: svid } = await identities();
  const server = createSecureServer({ ...serverTlsOptions(svid), settings });
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => void sessions.add(session));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => stream.destroy());
    onStream(stream, headers);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(server, {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      server.close();
    },
  });
}

const echo = (request: ConnectRequest): void => {
  const tunnel = request.accept({ baggage: "service.name=echo" });
  tunnel?.on("error", () => tunnel.destroy());
  tunnel?.pipe(tunnel);
};

describe("node:http2 as client of our server", () => {
  it("gets its tunnel, bytes both ways, and half-close", async () => {
    await using server = await startServer(echo);
    await using session = await http2Client(server.port);
    expect(session.remoteSettings).toMatchObject({
      maxConcurrentStreams: 200,
      initialWindowSize: 262_144,
      maxFrameSize: 1_048_576,
      maxHeaderListSize: 65_536,
    });
    const { stream, status, headers } = await tunnelOf(session);
    expect([status, headers["baggage"]]).toEqual([200, "service.name=echo"]);
    stream.end("hello");
    expect((await readAll(stream)).toString()).toBe("hello");
  });

  it.each<[name: string, settings: Settings]>([
    ["with its small frames", {}],
    ["with large frames and windows", { initialWindowSize: 4 * 1024 * 1024, maxFrameSize: 1024 * 1024 }],
    ["with the smallest window", { initialWindowSize: 1 }],
  ])("moves bytes both ways unchanged, %s", async (_name, settings) => {
    await using server = await startServer(echo);
    await using session = await http2Client(server.port, settings);
    const size = settings.initialWindowSize === 1 ? 2000 : 20 * MB;
    const { stream } = await tunnelOf(session);
    const received = hashOf(stream);
    const sent = await sendRandom(stream, size);
    expect(await received).toEqual({ md5: sent, bytes: size });
  });

  it("is refused other methods with 400, without the handler being asked", async () => {
    let requests = 0;
    await using server = await startServer(() => void requests++);
    await using session = await http2Client(server.port);
    const head = { ":method": "POST", ":path": "/", ":authority": "x", ":scheme": "https" };
    const stream = session.request(head, { endStream: false });
    const [received] = (await once(stream, "response")) as [Record<string, unknown>];
    stream.resume();
    await once(stream, "close");
    expect([received[":status"], stream.rstCode, requests]).toEqual([400, constants.NGHTTP2_NO_ERROR, 0]);
    expect(server.hbone.stats().tunnelsRefusedTotal).toBe(1);
  });

  it("sees refusals with status and headers, and a reset where we destroy a tunnel", async () => {
    await using server = await startServer((request) => {
      if (request.authority === "no:1") return request.refuse(503, { "x-reason": "no such app" });
      request.accept()?.destroy();
    });
    await using session = await http2Client(server.port);
    const refused = await tunnelOf(session, { ":authority": "no:1" });
    expect([refused.status, refused.headers["x-reason"]]).toEqual([503, "no such app"]);
    const { stream } = await tunnelOf(session);
    await once(stream.resume(), "close");
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
  });

  it("is told to go when we drain, and its open tunnel goes on", async () => {
    await using server = await startServer(echo);
    await using session = await http2Client(server.port);
    const { stream } = await tunnelOf(session);
    const goaways: unknown[] = [];
    session.on("goaway", (code, last) => goaways.push([code, last]));
    server.hbone.drain();
    await until(() => goaways.length === 2);
    expect(goaways).toEqual([
      [0, 2 ** 31 - 1],
      [0, 1],
    ]);
    stream.end("still here");
    expect((await readAll(stream)).toString()).toBe("still here");
    await once(session, "close");
  });

  it("withdraws a request, which the handler's signal tells", async () => {
    const { promise, resolve } = Promise.withResolvers<ConnectRequest>();
    await using server = await startServer((request) => {
      resolve(request);
      return once(request.signal, "abort").then(() => {});
    });
    await using session = await http2Client(server.port);
    const stream = session.request({ ":method": "CONNECT", ":authority": "slow:1" }, { endStream: false });
    const request = await promise;
    stream.close(constants.NGHTTP2_CANCEL);
    await until(() => request.signal.aborted);
    expect(request.accept()).toBeUndefined();
    expect(server.hbone.stats()).toMatchObject({ tunnelsWithdrawnTotal: 1, tunnelsAcceptedTotal: 0 });
  });

  it("may send before it was answered: the bytes wait in their window", async () => {
    const answer = Promise.withResolvers<void>();
    await using server = await startServer(async (request) => {
      await answer.promise;
      echo(request);
    });
    await using session = await http2Client(server.port);
    const stream = session.request({ ":method": "CONNECT", ":authority": "late:1" }, { endStream: false });
    stream.write(Buffer.alloc(400_000, "e"));
    await until(() => [...server.hbone.connections][0]?.stats().held === 262_144);
    answer.resolve();
    stream.end();
    const echoed = await readAll(stream);
    expect([echoed.length, echoed.every((octet) => octet === 101)]).toEqual([400_000, true]);
  });
});

describe("node:http2 as server of our client", () => {
  it("gets a plain CONNECT and answers, with half-close and headers", async () => {
    const seen: Record<string, unknown>[] = [];
    await using server = await http2Server((stream, headers) => {
      seen.push(headers);
      stream.respond({ ":status": 200, baggage: "service.name=x" });
      stream.pipe(stream);
    });
    await using connection = await openConnection(server.port);
    const outcome = await connection.connect({
      authority: "[fd00::1]:80",
      headers: { Baggage: "a=b", traceparent: "00-1" },
    });
    expect(outcome).toMatchObject({ kind: "open", status: 200, headers: { baggage: "service.name=x" } });
    expect(seen[0]).toMatchObject({
      ":method": "CONNECT",
      ":authority": "[fd00::1]:80",
      baggage: "a=b",
      traceparent: "00-1",
    });
    expect(Object.keys(seen[0] ?? {}).filter((name) => name.startsWith(":"))).toEqual([":method", ":authority"]);
    const tunnel = opened(outcome);
    tunnel.end("hello");
    expect((await readAll(tunnel)).toString()).toBe("hello");
  });

  it.each<[name: string, settings: Settings]>([
    ["its defaults", {}],
    ["large frames", { initialWindowSize: 4 * 1024 * 1024, maxFrameSize: 1024 * 1024 }],
    ["a window of one octet", { initialWindowSize: 1 }],
  ])("moves bytes both ways unchanged, with %s", async (_name, settings) => {
    await using server = await http2Server((stream) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    }, settings);
    await using connection = await openConnection(server.port);
    const size = settings.initialWindowSize === 1 ? 2000 : 20 * MB;
    const tunnel = opened(await connection.connect({ authority: "a:1" }));
    const received = hashOf(tunnel);
    const sent = await sendRandom(tunnel, size);
    expect(await received).toEqual({ md5: sent, bytes: size });
    expect(connection.stats().held).toBe(0);
  });

  it.each([
    [
      "with END_STREAM",
      (stream: ServerHttp2Stream) => stream.respond({ ":status": 503, "x-why": "y" }, { endStream: true }),
    ],
    [
      "with a body",
      (stream: ServerHttp2Stream) => {
        stream.respond({ ":status": 503, "x-why": "y" });
        stream.end("a body that nobody reads");
      },
    ],
  ])("refuses %s", async (_name, respond) => {
    await using server = await http2Server(respond);
    await using connection = await openConnection(server.port);
    expect(await connection.connect({ authority: "a:1" })).toMatchObject({
      kind: "refused",
      status: 503,
      headers: { "x-why": "y" },
    });
    await until(() => connection.openTunnels === 0);
    expect(connection.canConnect).toBe(true);
  });

  it.each([
    [constants.NGHTTP2_REFUSED_STREAM, "HBONE_STREAM_UNPROCESSED", "REFUSED_STREAM"],
    [constants.NGHTTP2_CONNECT_ERROR, "HBONE_STREAM_RESET", "CONNECT_ERROR"],
  ])("resets a request with %i", async (rstCode, code, h2Code) => {
    await using server = await http2Server((stream) => stream.close(rstCode));
    await using connection = await openConnection(server.port);
    await expect(connection.connect({ authority: "a:1" })).rejects.toMatchObject({ code, details: { h2Code } });
    expect(connection.isClosed).toBe(false);
  });

  it("resets open tunnels: NO_ERROR is an end of its data, others are errors", async () => {
    await using server = await http2Server((stream, headers) => {
      stream.respond({ ":status": 200 });
      stream.write("some", () => setImmediate(() => stream.close(Number(String(headers[":authority"]).split(":")[1]))));
    });
    await using connection = await openConnection(server.port);
    const ended = opened(await connection.connect({ authority: "x:0" }));
    expect((await readAll(ended)).toString()).toBe("some");
    const broken = opened(await connection.connect({ authority: "x:8" }));
    const [error] = (await once(broken.resume(), "error")) as [unknown];
    expect(error).toMatchObject({ code: "HBONE_STREAM_RESET", details: { h2Code: "CANCEL" } });
  });

  it("resets a joined tunnel with NO_ERROR once it is done: the app gets all its bytes, and an end", async () => {
    await using server = await http2Server((stream) => {
      stream.respond({ ":status": 200 });
      stream.end(Buffer.alloc(300_000, "a"), () => stream.close(constants.NGHTTP2_NO_ERROR));
    });
    await using connection = await openConnection(server.port);
    const sockets = await listen(() => {}, { pauseOnConnect: true });
    const near = dial(sockets.port);
    const [far] = (await once(sockets, "connection")) as [Socket];
    const join = joinTunnel(far, opened(await connection.connect({ authority: "a:1" })), buffers);
    const app = await near;
    app.on("error", () => app.destroy());
    app.write("nobody reads this");
    expect(await readAll(app)).toHaveLength(300_000);
    expect(await join.ended).toMatchObject({ end: "both-closed", closedBy: "peer", bytesFromPeer: 300_000 });
    sockets.close();
  });

  it("does not answer in time", async () => {
    await using server = await http2Server(() => {});
    await using connection = await openConnection(server.port, { responseTimeoutMs: 30 });
    await expect(connection.connect({ authority: "a:1" })).rejects.toMatchObject({
      code: "HBONE_TIMEOUT",
      details: { phase: "response", authority: "a:1" },
    });
    expect(connection.openTunnels).toBe(0);
  });

  it("goes away", async () => {
    const sessions: { close(): void }[] = [];
    await using server = await http2Server((stream) => {
      stream.respond({ ":status": 200 });
      stream.pipe(stream);
    });
    server.on("session", (session) => sessions.push(session));
    await using connection = await openConnection(server.port);
    const tunnel = opened(await connection.connect({ authority: "a:1" }));
    sessions[0]?.close();
    await until(() => connection.isDraining);
    await expect(connection.connect({ authority: "a:2" })).rejects.toMatchObject({
      code: "HBONE_DRAINING",
      retryable: true,
    });
    tunnel.end("until the end");
    expect((await readAll(tunnel)).toString()).toBe("until the end");
    await until(() => connection.isClosed);
  });

  it("gives many tunnels at a time their own bytes", async () => {
    await using server = await http2Server(
      (stream) => {
        stream.respond({ ":status": 200 });
        stream.pipe(stream);
      },
      { maxConcurrentStreams: 100 },
    );
    await using connection = await openConnection(server.port);
    const one = async (index: number): Promise<boolean> => {
      const tunnel = opened(await connection.connect({ authority: `a:${index}` }));
      const received = hashOf(tunnel);
      const sent = await sendRandom(tunnel, 50_000 + index * 1013);
      return (await received).md5 === sent;
    };
    expect(await Promise.all(Array.from({ length: 100 }, (_unused, index) => one(index)))).not.toContain(false);
  });
});

describe("HPACK against node:http2", () => {
  /** Every octet that a header's value may hold on either side, in pieces that begin and end with a letter. */
  const octets = Array.from({ length: 256 }, (_unused, octet) => octet).filter(
    (octet) => octet >= 0x20 && octet !== 0x7f,
  );
  const values: Record<string, string> = { "x-all": `a${String.fromCharCode(...octets)}z` };
  for (const octet of octets) {
    values[`x-${octet}`] = `a${String.fromCharCode(octet).repeat(3)}z`;
    // The Huffman form is taken only where it is shorter, which these letters make it for rare octets too.
    values[`y-${octet}`] = `${"e".repeat(20)}${String.fromCharCode(octet)}${"o".repeat(20)}`;
  }
  // Node takes no more than 128 fields at once.
  const entries = Object.entries(values);
  const portions = Array.from({ length: Math.ceil(entries.length / 100) }, (_unused, index) =>
    Object.fromEntries(entries.slice(index * 100, index * 100 + 100)),
  );
  const inOrder = [...portions, ...portions];
  const pick = (all: Record<string, unknown>, wanted: object): object =>
    Object.fromEntries(Object.keys(wanted).map((name) => [name, all[name]]));

  it("sends every octet, both Huffman-coded and plain, so that node reads it", async () => {
    const seen: Record<string, unknown>[] = [];
    await using server = await http2Server(
      (stream, headers) => {
        seen.push(headers);
        stream.respond({ ":status": 404 }, { endStream: true });
      },
      { maxHeaderListSize: 1_000_000 },
    );
    await using connection = await openConnection(server.port);
    for (const headers of inOrder) await connection.connect({ authority: "a:1", headers });
    expect(seen.map((headers, index) => pick(headers, inOrder[index] ?? {}))).toEqual(inOrder);
  });

  it("reads every octet that node sends, also from the dynamic table", async () => {
    const seen: Record<string, string>[] = [];
    await using server = await startServer(
      (request) => {
        seen.push({ ...request.headers });
        request.refuse(400);
      },
      { maxHeaderList: 1_000_000 },
    );
    await using session = await http2Client(server.port);
    for (const headers of inOrder) {
      const { stream } = await tunnelOf(session, headers);
      stream.on("error", () => stream.destroy());
    }
    expect(seen.map((headers, index) => pick(headers, inOrder[index] ?? {}))).toEqual(inOrder);
  });

  it.each([0, 64, 4096])("stays in step with a table of %i octets", async (headerTableSize) => {
    const seen: unknown[] = [];
    await using server = await http2Server(
      (stream, headers) => {
        seen.push(headers["x-a"]);
        stream.respond({ ":status": 200, "x-b": String(headers["x-a"]) }, { endStream: true });
      },
      { headerTableSize },
    );
    await using connection = await openConnection(server.port);
    const answers: unknown[] = [];
    for (let index = 0; index < 50; index++) {
      const outcome = await connection.connect({ authority: "a:1", headers: { "x-a": `value ${index % 7}` } });
      answers.push(outcome.headers["x-b"]);
      if (outcome.kind === "open") outcome.tunnel.destroy();
    }
    const expected = Array.from({ length: 50 }, (_unused, index) => `value ${index % 7}`);
    expect([seen, answers]).toEqual([expected, expected]);
  });
});
