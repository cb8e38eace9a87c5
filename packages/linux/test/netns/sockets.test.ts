// SPDX-License-Identifier: Apache-2.0
import { execFile, spawnSync } from "node:child_process";
import { pbkdf2 } from "node:crypto";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { readdirSync, readlinkSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import {
  bindUdp,
  canonicalAddress,
  connectTcp,
  descriptorOf,
  hostNetns,
  inNetns,
  listenTcp,
  originalDestination,
  probeInPodSockets,
  tuneSocket,
  type ListenOptions,
} from "../../src/index.ts";
import { libc } from "../../src/libc/libc.ts";
import { A, B, mayUseNetns, twoPods, type TwoPods } from "./two-pods.ts";

const code = (name: string): unknown => expect.objectContaining({ code: name });
const ANY = { v4: "0.0.0.0", v6: "::" } as const;
const FAMILIES = ["v4", "v6"] as const;
const MARK = 0x539;

interface Listening extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  /** The next accepted connection. */
  accepted(): Promise<Socket>;
}

async function listen(options: ListenOptions): Promise<Listening> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
  });
  const { port } = await listenTcp(server, options);
  return {
    server,
    port,
    accepted: async () => ((await once(server, "connection")) as [Socket])[0],
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function intOption(socket: Socket, level: number, name: number): number {
  const value = Buffer.alloc(4);
  const length = Buffer.from([4, 0, 0, 0]);
  expect(libc().getsockopt(descriptorOf(socket), level, name, value, length)).toBe(0);
  return value.readInt32LE(0);
}

async function readAll(socket: Socket): Promise<string> {
  const chunks = await socket.toArray();
  return Buffer.concat(chunks as Buffer[]).toString("utf8");
}

describe.runIf(mayUseNetns())("TCP in another namespace", () => {
  let pods: TwoPods;
  beforeAll(async () => {
    pods = await twoPods();
  });
  afterAll(() => pods[Symbol.dispose]());

  test.each(FAMILIES)("connects from one to the other over %s, with half-close both ways", async (v) => {
    await using listening = await listen({ netns: pods.b, address: ANY[v], port: 0 });
    const accepted = listening.accepted();
    const client = await connectTcp({ netns: pods.a, host: B[v], port: listening.port });
    const server = await accepted;
    expect(canonicalAddress(server.remoteAddress ?? "")).toBe(A[v]);
    client.end("question");
    expect(await readAll(server)).toBe("question");
    server.end("answer");
    expect(await readAll(client)).toBe("answer");
    client.destroy();
  });

  it("accepts both IP versions on [::], and only IPv6 when told so", async () => {
    await using dual = await listen({ netns: pods.b, address: "::", port: 0 });
    for (const v of FAMILIES) (await connectTcp({ netns: pods.a, host: B[v], port: dual.port })).destroy();
    await using only6 = await listen({ netns: pods.b, address: "::", port: 0, ipv6Only: true });
    (await connectTcp({ netns: pods.a, host: B.v6, port: only6.port })).destroy();
    await expect(connectTcp({ netns: pods.a, host: B.v4, port: only6.port })).rejects.toThrow(
      code("LINUX_CONNECT_FAILED"),
    );
  });

  it("is not seen from the host's namespace", async () => {
    await using listening = await listen({ netns: pods.b, address: "127.0.0.1", port: 0 });
    await expect(connectTcp({ host: "127.0.0.1", port: listening.port })).rejects.toThrow(/ECONNREFUSED/);
    const client = await connectTcp({ netns: pods.b, host: "127.0.0.1", port: listening.port });
    client.destroy();
  });

  it("sets marks, keep-alive, no-delay and the user timeout; accepted sockets inherit the listener's", async () => {
    const options = {
      mark: MARK,
      keepAlive: { idleSeconds: 180, intervalSeconds: 170, probes: 9 },
      userTimeoutMs: 25_000,
    };
    await using listening = await listen({ netns: pods.b, address: "::", port: 0, ...options });
    const accepted = listening.accepted();
    const client = await connectTcp({ netns: pods.a, host: B.v4, port: listening.port, ...options });
    for (const socket of [client, await accepted]) {
      const found = [
        [1, 36],
        [1, 9],
        [6, 4],
        [6, 5],
        [6, 6],
        [6, 18],
        [6, 1],
      ].map(([level, name]) => intOption(socket, level as number, name as number));
      expect(found).toEqual([MARK, 1, 180, 170, 9, 25_000, 1]);
    }
    tuneSocket(client, { mark: 0x111, keepAlive: { idleSeconds: 5, intervalSeconds: 6, probes: 7 } });
    expect([intOption(client, 1, 36), intOption(client, 6, 4), intOption(client, 6, 6)]).toEqual([0x111, 5, 7]);
    client.destroy();
  });

  it("keeps outgoing connections alive as Istio does, unless told otherwise", async () => {
    await using listening = await listen({ netns: pods.b, address: "::", port: 0 });
    const client = await connectTcp({ netns: pods.a, host: B.v4, port: listening.port });
    expect([
      intOption(client, 1, 9),
      intOption(client, 6, 4),
      intOption(client, 6, 5),
      intOption(client, 6, 6),
    ]).toEqual([1, 180, 180, 9]);
    client.destroy();
  });

  it("lets a successor share the port, and takes one whose old connections linger in TIME_WAIT", async () => {
    const first = await listen({ netns: pods.b, address: "::", port: 15_001 });
    const accepted = first.accepted();
    const client = await connectTcp({ netns: pods.a, host: B.v4, port: 15_001 });
    const server = await accepted;
    await using second = await listen({ netns: pods.b, address: "::", port: 15_001 });
    expect(second.port).toBe(15_001);
    // The side that closes first keeps TIME_WAIT.
    server.end();
    await readAll(client);
    client.end();
    await once(server, "close");
    await first[Symbol.asyncDispose]();
    const states = inNetns(pods.b, () => spawnSync("ss", ["-Htan", "sport = :15001"], { encoding: "utf8" }).stdout);
    expect(states).toContain("TIME-WAIT");
    await using third = await listen({ netns: pods.b, address: "::", port: 15_001 });
    expect(third.port).toBe(15_001);
    client.destroy();
  });

  it("says who has the port when it is not shared, and leaves nothing open", async () => {
    await using first = await listen({ netns: pods.b, address: "::", port: 0, reusePort: false });
    const before = readdirSync("/proc/self/fd").length;
    const second = listen({ netns: pods.b, address: "::", port: first.port, reusePort: false });
    await expect(second).rejects.toThrow(
      expect.objectContaining({
        code: "LINUX_SYSCALL",
        message: `can't listen on [::]:${first.port} in ${pods.b.id}: bind gave EADDRINUSE`,
        retryable: true,
      }),
    );
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
  });

  it("gives the listening server back its own errors", async () => {
    await using first = await listen({ netns: pods.b, address: "::", port: 0 });
    await expect(listenTcp(first.server, { netns: pods.b, address: "::", port: 0 })).rejects.toThrow(
      expect.objectContaining({ code: "ERR_SERVER_ALREADY_LISTEN" }),
    );
  });

  it("tells refusal, silence and withdrawal apart, and leaves nothing open", async () => {
    const before = readdirSync("/proc/self/fd").length;
    const refused = connectTcp({ netns: pods.a, host: B.v4, port: 9 });
    await expect(refused).rejects.toMatchObject({ code: "LINUX_CONNECT_FAILED", details: { errno: "ECONNREFUSED" } });
    const unreachable = connectTcp({ netns: pods.a, host: "192.0.2.1", port: 9 });
    await expect(unreachable).rejects.toMatchObject({ details: { errno: "ENETUNREACH" } });
    // 10.9.0.77 is on the link, but nobody answers.
    const silent = connectTcp({ netns: pods.a, host: "10.9.0.77", port: 9, timeoutMs: 20 });
    await expect(silent).rejects.toMatchObject({ code: "LINUX_CONNECT_TIMEOUT", retryable: true });
    const abort = new AbortController();
    const withdrawn = connectTcp({ netns: pods.a, host: "10.9.0.77", port: 9, signal: abort.signal });
    abort.abort(new Error("no longer wanted"));
    await expect(withdrawn).rejects.toMatchObject({ code: "ABORTED" });
    const late = connectTcp({ netns: pods.a, host: B.v4, port: 9, signal: AbortSignal.abort() });
    await expect(late).rejects.toMatchObject({ code: "ABORTED" });
    await new Promise(setImmediate);
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
  });

  test.each([
    [{ host: "example.org", port: 80 }, /no IP address/],
    [{ host: B.v4, port: 80, bindAddress: A.v6 }, /two IP versions/],
    [{ host: B.v4, port: 70_000 }, /is no port/],
  ])("refuses %o", async (options, message) => {
    await expect(connectTcp({ netns: pods.a, ...options })).rejects.toThrow(message);
  });

  test.each([
    ["v4", "192.0.2.55"],
    ["v6", "2001:db8::55"],
  ] as const)("spoofs the source over %s, and the peer sees it", async (v, source) => {
    await using listening = await listen({ netns: pods.b, address: ANY[v], port: 0 });
    const accepted = listening.accepted();
    // The way back: b sends to a, and a takes the address for its own.
    const toTool = (netns: typeof pods.a, args: string[]) => inNetns(netns, () => spawnSync("ip", args));
    expect(toTool(pods.b, ["route", "add", source, "via", A[v]]).status).toBe(0);
    expect(toTool(pods.a, ["route", "add", "local", source, "dev", "lo"]).status).toBe(0);
    const client = await connectTcp({ netns: pods.a, host: B[v], port: listening.port, bindAddress: source });
    const server = await accepted;
    expect(canonicalAddress(server.remoteAddress ?? "")).toBe(source);
    client.end("x");
    expect(await readAll(server)).toBe("x");
    client.destroy();
  });

  it("accepts for addresses that are not its own when transparent", async () => {
    await using listening = await listen({ netns: pods.b, address: "192.0.2.99", port: 0, transparent: true });
    expect((listening.server.address() as AddressInfo).address).toBe("192.0.2.99");
    await expect(listen({ netns: pods.b, address: "192.0.2.99", port: 0 })).rejects.toThrow(/EADDRNOTAVAIL/);
    await using six = await listen({ netns: pods.b, address: "2001:db8::99", port: 0, transparent: true });
    expect((six.server.address() as AddressInfo).address).toBe("2001:db8::99");
  });

  it("knows the destination of a connection that nobody redirected", async () => {
    await using listening = await listen({ netns: pods.b, address: "::", port: 0 });
    for (const v of FAMILIES) {
      const accepted = listening.accepted();
      const client = await connectTcp({ netns: pods.a, host: B[v], port: listening.port });
      expect(originalDestination(await accepted)).toEqual({ address: B[v], port: listening.port, via: "local" });
      client.destroy();
    }
  });
});

describe.runIf(mayUseNetns())("probeInPodSockets", () => {
  it("is content with a privileged process, and leaves nothing open", () => {
    const before = readdirSync("/proc/self/fd").length;
    expect(() => probeInPodSockets(MARK)).not.toThrow();
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
  });
});

describe.runIf(mayUseNetns())("UDP in another namespace", () => {
  test.each(FAMILIES)("answers over %s with dgram sockets", async (v) => {
    using pods = await twoPods();
    const server = await bindUdp({ netns: pods.b, address: ANY[v], port: 0, mark: MARK });
    const client = await bindUdp({ netns: pods.a, address: A[v], port: 0 });
    try {
      const question = once(server, "message");
      client.send("q", server.address().port, B[v]);
      const [data, from] = (await question) as [Buffer, { address: string; port: number }];
      expect([data.toString(), from.address]).toEqual(["q", A[v]]);
      const answer = once(client, "message");
      server.send("a", from.port, from.address);
      expect(((await answer) as [Buffer])[0].toString()).toBe("a");
    } finally {
      server.close();
      client.close();
    }
  });

  it("shares its port, or says that it is taken", async () => {
    using pods = await twoPods();
    const first = await bindUdp({ netns: pods.b, address: "127.0.0.1", port: 15_053 });
    const second = await bindUdp({ netns: pods.b, address: "127.0.0.1", port: 15_053 });
    await expect(bindUdp({ netns: pods.b, address: "127.0.0.1", port: 15_053, reusePort: false })).rejects.toThrow(
      /bind UDP 127.0.0.1:15053 in net:\[\d+\]: bind gave EADDRINUSE/,
    );
    first.close();
    second.close();
  });
});

describe.runIf(mayUseNetns())("2,000 connections beside other work", () => {
  const CONNECTIONS = 2000;
  const IN_FLIGHT = 64;

  it("all come from the right namespace, and no thread is left behind", async () => {
    using pods = await twoPods();
    const sources = new Map<string, number>();
    await using listening = await listen({ netns: pods.b, address: "::", port: 0, backlog: 512 });
    listening.server.on("connection", (socket: Socket) => {
      const address = canonicalAddress(socket.remoteAddress ?? "");
      sources.set(address, (sources.get(address) ?? 0) + 1);
      socket.resume().end();
    });
    let left = CONNECTIONS;
    const finished = new AbortController();
    const connectMany = async (): Promise<void> => {
      while (left-- > 0) {
        const client = await connectTcp({ netns: pods.a, host: B.v4, port: listening.port });
        client.resume().end();
        await once(client, "close");
      }
    };
    // Whatever these start in the thread pool or as processes has to run at home.
    const otherWork = async (): Promise<void> => {
      const homes = new Set<string>();
      while (!finished.signal.aborted) {
        const [netns] = await Promise.all([
          promisify(execFile)("readlink", ["/proc/self/ns/net"]),
          readFile("/proc/self/net/dev"),
          lookup("localhost"),
          promisify(pbkdf2)("x", "y", 1000, 32, "sha256"),
          promisify(gzip)(Buffer.alloc(100_000)),
        ]);
        homes.add(netns.stdout.trim());
      }
      expect(homes).toEqual(new Set([hostNetns().id]));
    };
    const other = otherWork();
    await Promise.all(Array.from({ length: IN_FLIGHT }, connectMany));
    finished.abort();
    await other;
    expect(Object.fromEntries(sources)).toEqual({ [A.v4]: CONNECTIONS });
    const threads = readdirSync("/proc/self/task").map((tid) => readlinkSync(`/proc/self/task/${tid}/ns/net`));
    expect(new Set(threads)).toEqual(new Set([hostNetns().id]));
  });
});
