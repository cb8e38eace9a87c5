// SPDX-License-Identifier: Apache-2.0
/** Apps at both ends of a tunnel, joined to it by sockets: app - client proxy - HBONE - server proxy - app. */
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { describe, expect, it, test } from "vitest";
import { borrowReads } from "../../src/connection/borrow-reads.ts";
import { adoptSocket } from "../../src/join/adopt-socket.ts";
import {
  hboneErrors,
  joinTunnel,
  openHboneConnection,
  type HbonePoolOptions,
  type HboneServerOptions,
  type JoinResult,
  type TunnelJoin,
} from "../../src/index.ts";
import {
  buffers,
  dial,
  hashOf,
  identities,
  listen,
  opened,
  readAll,
  secureAs,
  sendRandom,
  startPool,
  startServer,
  targetOf,
  type TestServer,
} from "../support/mesh.ts";
import { until } from "../support/turns.ts";

interface Pair extends AsyncDisposable {
  /** Where the client's proxy listens. */
  readonly port: number;
  readonly server: TestServer;
  readonly client: TunnelJoin[];
  readonly remote: TunnelJoin[];
  ended(side: "client" | "remote"): Promise<JoinResult[]>;
}

interface PairOptions {
  readonly pool?: HbonePoolOptions;
  readonly server?: HboneServerOptions;
  /** The sockets of the client proxy can't be adopted. */
  readonly isPlain?: boolean;
}

async function startPair(app: Server & { port: number }, options: PairOptions = {}): Promise<Pair> {
  const client: TunnelJoin[] = [];
  const remote: TunnelJoin[] = [];
  const server = await startServer(async (request) => {
    const socket = await dial(app.port);
    const tunnel = request.accept();
    if (tunnel) remote.push(joinTunnel(socket, tunnel, buffers));
    else socket.destroy();
  }, options.server);
  const pool = await startPool(options.pool);
  const listener = await listen(
    (socket) => {
      socket.on("error", () => socket.destroy());
      if (options.isPlain) Reflect.set(Reflect.get(socket, "_handle") as object, "useUserBuffer", undefined);
      pool.connect(targetOf(server.port), { authority: `127.0.0.1:${app.port}` }).then(
        (outcome) => void client.push(joinTunnel(socket, opened(outcome), buffers)),
        () => socket.destroy(),
      );
    },
    { pauseOnConnect: true },
  );
  const sides = { client, remote };
  return {
    port: listener.port,
    server,
    client,
    remote,
    ended: async (side) => Promise.all(sides[side].map((join) => join.ended)),
    [Symbol.asyncDispose]: async () => {
      listener.close();
      app.close();
      for (const join of [...client, ...remote]) join.abort();
      await pool[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const echo = (): Promise<Server & { port: number }> =>
  listen((socket) => {
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  });

describe("bytes", () => {
  it.each([
    ["one octet", 1],
    ["what fits a read", 10_000],
    ["1 MB", 1_000_000],
    ["100 MB", 100_000_000],
  ])("come through unchanged: %s", async (_name, size) => {
    await using pair = await startPair(await echo());
    const app = await dial(pair.port);
    const received = hashOf(app);
    const sent = await sendRandom(app, size);
    expect(await received).toEqual({ md5: sent, bytes: size });
    expect(await pair.ended("client")).toEqual([
      { end: "both-closed", closedBy: "app", bytesToPeer: size, bytesFromPeer: size, error: undefined },
    ]);
    expect(await pair.ended("remote")).toEqual([
      { end: "both-closed", closedBy: "peer", bytesToPeer: size, bytesFromPeer: size, error: undefined },
    ]);
  });

  it.each([
    ["with large frames", {}],
    ["towards peers that take small frames", { pool: { maxFrame: 16_384 }, server: { maxFrame: 16_384 } }],
    ["with small windows", { server: { initialWindow: 65_535, maxWindow: 65_535, windowGrowth: 0 } }],
    ["over sockets that Node reads as usual", { isPlain: true }],
  ])("of 60 streams at a time stay apart while some stall, %s", async (_name, options: PairOptions) => {
    await using pair = await startPair(await echo(), options);
    const one = async (index: number): Promise<boolean> => {
      const app = await dial(pair.port);
      const size = index % 3 === 0 ? 3_000_000 + index * 1009 : 2000 + index * 1013;
      const sent = sendRandom(app, size);
      if (index % 4 === 0) {
        // Reads in fits and starts: everything behind it fills up in between.
        app.on("data", () => {
          if (Math.floor(app.bytesRead / 200_000) % 2 === 0) return;
          app.pause();
          setImmediate(() => setTimeout(() => app.resume(), 5));
        });
      }
      const received = await hashOf(app);
      return received.md5 === (await sent) && received.bytes === size;
    };
    expect(await Promise.all(Array.from({ length: 60 }, (_unused, index) => one(index)))).not.toContain(false);
    const results = [...(await pair.ended("client")), ...(await pair.ended("remote"))];
    expect(results).toHaveLength(120);
    expect(new Set(results.map(({ end }) => end))).toEqual(new Set(["both-closed"]));
    for (const connection of pair.server.hbone.connections)
      expect(connection.stats()).toMatchObject({ held: 0, streams: 0 });
  });

  it("that the app's socket had read before it was joined are not lost", async () => {
    const app = await listen((socket) => void socket.pipe(socket));
    await using server = await startServer((request) => {
      const tunnel = request.accept();
      tunnel?.on("error", () => tunnel.destroy());
      tunnel?.pipe(tunnel);
    });
    await using pool = await startPool();
    const pairs = await listen(() => {});
    const near = dial(pairs.port);
    const [socket] = (await once(pairs, "connection")) as [Socket];
    const peer = await near;
    peer.end("read before");
    await until(() => socket.readableLength > 0);
    const tunnel = opened(await pool.connect(targetOf(server.port), { authority: "a:1" }));
    const join = joinTunnel(socket, tunnel, buffers);
    expect((await readAll(peer)).toString()).toBe("read before");
    expect(await join.ended).toMatchObject({ end: "both-closed", bytesToPeer: 11, bytesFromPeer: 11 });
    pairs.close();
    app.close();
  });

  it("are reported as they pass", async () => {
    await using server = await startServer((request) => {
      const tunnel = request.accept();
      tunnel?.on("error", () => tunnel.destroy());
      tunnel?.pipe(tunnel);
    });
    await using pool = await startPool();
    const counted = { toPeer: 0, fromPeer: 0 };
    const listener = await listen(
      (socket) => {
        void pool.connect(targetOf(server.port), { authority: "a:1" }).then((outcome) => {
          joinTunnel(socket, opened(outcome), buffers, {
            onBytes: (direction, count) => (counted[direction] += count),
          });
        });
      },
      { pauseOnConnect: true },
    );
    const app = await dial(listener.port);
    void sendRandom(app, 3_000_000);
    await hashOf(app);
    expect(counted).toEqual({ toPeer: 3_000_000, fromPeer: 3_000_000 });
    listener.close();
  });
});

describe("on this Node.js", () => {
  it("sockets can be adopted, and read into a buffer of ours", async () => {
    const app = await echo();
    const original = (await dial(app.port)).pause();
    const target = Buffer.alloc(100);
    const { promise, resolve } = Promise.withResolvers<number>();
    const adopted = adoptSocket(original, { buffer: () => target, onRead: (count) => (resolve(count), true) });
    adopted?.resume().write("adopted");
    expect(await promise).toBe(7);
    expect(target.toString("latin1", 0, 7)).toBe("adopted");
    for (const socket of [original, adopted]) socket?.destroy();
    app.close();
  });

  it("TLS sockets can be made to read into a buffer of ours", async () => {
    const { client } = await identities();
    await using server = await startServer(() => {});
    const outcome = await secureAs(client)(await dial(server.port), {
      timeoutMs: 5000,
      signal: new AbortController().signal,
    });
    if (outcome.kind !== "established") throw new Error(outcome.message);
    const target = Buffer.alloc(16_384);
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    expect(borrowReads(outcome.socket, target, resolve)).toBe(true);
    // The server's settings.
    expect((await promise).buffer).toBe(target.buffer);
    expect(target[3]).toBe(4);
    outcome.socket.destroy();
  });

  it("TLS sockets that can't are read as usual", async () => {
    const { client } = await identities();
    await using server = await startServer((request) => {
      const tunnel = request.accept();
      tunnel?.on("error", () => tunnel.destroy());
      tunnel?.pipe(tunnel);
    });
    const secure: typeof plain = async (raw, limits) => {
      const outcome = await plain(raw, limits);
      if (outcome.kind === "established")
        Reflect.set(Reflect.get(outcome.socket, "_handle") as object, "useUserBuffer", undefined);
      return outcome;
    };
    const plain = secureAs(client);
    const connection = await openHboneConnection(await dial(server.port), { secure });
    const tunnel = opened(await connection.connect({ authority: "a:1" }));
    const received = hashOf(tunnel);
    const sent = await sendRandom(tunnel, 3_000_000);
    expect((await received).md5).toBe(sent);
    connection.drain();
  });
});

describe("half-close", () => {
  it("by the client leaves the answer its way", async () => {
    const app = await listen((socket) => {
      void readAll(socket).then((question) => socket.end(`${question.toString()}!`));
    });
    await using pair = await startPair(app);
    const client = await dial(pair.port);
    client.end("question");
    expect((await readAll(client)).toString()).toBe("question!");
    expect(await pair.ended("client")).toMatchObject([{ end: "both-closed", closedBy: "app" }]);
    expect(await pair.ended("remote")).toMatchObject([{ end: "both-closed", closedBy: "peer" }]);
  });

  it("by the server leaves the client its way", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const app = await listen((socket) => {
      socket.end("greeting");
      resolve(readAll(socket).then(String));
    });
    await using pair = await startPair(app);
    const client = await dial(pair.port);
    expect((await readAll(client)).toString()).toBe("greeting");
    client.write("late ");
    client.end("words");
    expect(await promise).toBe("late words");
    expect(await pair.ended("client")).toMatchObject([
      { end: "both-closed", closedBy: "peer", bytesToPeer: 10, bytesFromPeer: 8 },
    ]);
  });

  it("by both at once, without a byte, closes all", async () => {
    await using pair = await startPair(await listen((socket) => void socket.resume().end()));
    const client = await dial(pair.port);
    client.resume().end();
    await once(client, "close");
    expect(await pair.ended("client")).toMatchObject([{ end: "both-closed", bytesToPeer: 0, bytesFromPeer: 0 }]);
    expect(await pair.ended("remote")).toMatchObject([{ end: "both-closed", bytesToPeer: 0, bytesFromPeer: 0 }]);
  });
});

describe("an end that is not in order", () => {
  const broken = async (socket: Socket): Promise<string> => {
    const [error] = (await once(socket.resume(), "error")) as [NodeJS.ErrnoException];
    return error.code ?? "";
  };

  it("of the client's app reaches the server's app as a reset", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    await using pair = await startPair(await listen((socket) => resolve(broken(socket))));
    const client = await dial(pair.port);
    client.write("x");
    // Older libuv takes a reset that comes together with data for an end.
    await until(() => pair.remote[0]?.bytesFromPeer === 1);
    client.resetAndDestroy();
    expect(await promise).toBe("ECONNRESET");
    expect(await pair.ended("client")).toMatchObject([
      { end: "app-reset", closedBy: "app", error: { code: "HBONE_APP_RESET" } },
    ]);
    expect(await pair.ended("remote")).toMatchObject([
      {
        end: "peer-reset",
        closedBy: "peer",
        error: { code: "HBONE_STREAM_RESET", details: { h2Code: "CONNECT_ERROR" } },
      },
    ]);
  });

  it("of the server's app reaches the client's app as a reset", async () => {
    await using pair = await startPair(
      await listen((socket) => void socket.once("data", () => socket.resetAndDestroy())),
    );
    const client = await dial(pair.port);
    client.write("x");
    expect(await broken(client)).toBe("ECONNRESET");
    expect(await pair.ended("client")).toMatchObject([{ end: "peer-reset", closedBy: "peer" }]);
    expect(await pair.ended("remote")).toMatchObject([{ end: "app-reset", closedBy: "app" }]);
  });

  it("of the connection under the tunnel reaches both as a reset", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    await using pair = await startPair(await listen((socket) => resolve(broken(socket))));
    const client = await dial(pair.port);
    const reset = broken(client);
    await until(() => pair.remote.length === 1);
    for (const connection of pair.server.hbone.connections)
      connection.abort(hboneErrors.create("HBONE_DRAINING", "enough"));
    expect([await reset, await promise]).toEqual(["ECONNRESET", "ECONNRESET"]);
    expect(await pair.ended("client")).toMatchObject([
      { end: "tunnel-failed", closedBy: "peer", error: { code: "HBONE_CONNECTION_CLOSED" } },
    ]);
    expect(await pair.ended("remote")).toMatchObject([{ end: "tunnel-failed", error: { code: "HBONE_DRAINING" } }]);
  });

  it("by abort breaks both sides", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    await using pair = await startPair(await listen((socket) => resolve(broken(socket))));
    const client = await dial(pair.port);
    const reset = broken(client);
    await until(() => pair.client.length === 1 && pair.remote.length === 1);
    pair.client[0]?.abort();
    expect([await reset, await promise]).toEqual(["ECONNRESET", "ECONNRESET"]);
    expect(await pair.ended("client")).toMatchObject([{ end: "aborted", closedBy: "us" }]);
    expect(await pair.ended("remote")).toMatchObject([{ end: "peer-reset", error: { details: { h2Code: "CANCEL" } } }]);
  });
});

describe("a reader that stalls", () => {
  it("holds up its own stream only, and holds no more than its window", async () => {
    const stalled: Socket[] = [];
    const app = await listen((socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", (first: Buffer) => {
        if (first[0] === 0x73) return void stalled.push(socket.pause());
        socket.write(first);
        socket.pipe(socket);
      });
    });
    await using pair = await startPair(app);
    for (let index = 0; index < 20; index++) {
      const client = await dial(pair.port);
      client.on("error", () => client.destroy());
      client.write(Buffer.alloc(20_000_000, "s"));
    }
    await until(() => stalled.length === 20 && pair.remote.every(({ queuedBytes }) => queuedBytes > 100_000));
    const latencies: number[] = [];
    const small = await dial(pair.port);
    small.on("error", () => small.destroy());
    for (let index = 0; index < 100; index++) {
      const at = performance.now();
      small.write("ping");
      await once(small, "data");
      latencies.push(performance.now() - at);
    }
    expect(latencies).toHaveLength(100);
    for (const connection of pair.server.hbone.connections) {
      const { held, heldBound } = connection.stats();
      expect(held).toBeLessThanOrEqual(heldBound);
    }
    for (const socket of stalled) socket.destroy();
    small.end();
  });

  it("goes on where it stopped, bytes unharmed", async () => {
    const { promise, resolve } = Promise.withResolvers<Socket>();
    await using pair = await startPair(await listen((socket) => resolve(socket.pause())));
    const client = await dial(pair.port);
    const sent = sendRandom(client, 30_000_000);
    const socket = await promise;
    await until(() => (pair.remote[0]?.queuedBytes ?? 0) > 100_000);
    const received = hashOf(socket.resume());
    expect(await received).toEqual({ md5: await sent, bytes: 30_000_000 });
    socket.end();
    await once(client.resume(), "close");
  });
});

describe("what can't be joined", () => {
  test.each<[name: string, spoil: (socket: Socket) => unknown]>([
    ["is destroyed", (socket) => socket.destroy()],
    ["was ended", (socket) => socket.end()],
    ["is being read", (socket) => socket.resume()],
  ])("is a socket that %s", async (_name, spoil) => {
    await using server = await startServer((request) => {
      const tunnel = request.accept();
      tunnel?.on("error", () => tunnel.destroy());
    });
    await using pool = await startPool();
    const app = await echo();
    const socket = await dial(app.port);
    const tunnel = opened(await pool.connect(targetOf(server.port), { authority: "a:1" }));
    spoil(socket);
    expect(() => joinTunnel(socket, tunnel, buffers)).toThrow(
      expect.objectContaining({ code: "HBONE_TUNNEL_IN_USE" }) as Error,
    );
    tunnel.destroy();
    socket.destroy();
    app.close();
  });

  it("is a tunnel that is joined already", async () => {
    await using pair = await startPair(await echo());
    await using server = await startServer((request) => {
      const tunnel = request.accept();
      tunnel?.on("error", () => tunnel.destroy());
    });
    await using pool = await startPool();
    const tunnel = opened(await pool.connect(targetOf(server.port), { authority: "a:1" }));
    const join = joinTunnel(await dial(pair.port), tunnel, buffers);
    const second = await dial(pair.port);
    expect(() => joinTunnel(second, tunnel, buffers)).toThrow(
      expect.objectContaining({ code: "HBONE_TUNNEL_IN_USE" }) as Error,
    );
    second.destroy();
    join.abort();
    await join.ended;
  });
});
