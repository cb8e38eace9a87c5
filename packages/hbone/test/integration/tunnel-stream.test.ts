// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { Agent, createServer as createHttp, get, request as httpRequest, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { FakeClock } from "@ambientmesh/testkit";
import { Client, type buildConnector } from "undici";
import { describe, expect, it } from "vitest";
import { openHboneConnection, type HbonePool, type TunnelStream } from "../../src/index.ts";
import {
  dial,
  hashOf,
  identities,
  md5,
  opened,
  openConnection,
  readAll,
  secureAs,
  sendRandom,
  startPool,
  startServer,
  targetOf,
} from "../support/mesh.ts";
import { settled, until } from "../support/turns.ts";

/** A server that hands out its end of each tunnel. */
async function startTunnels() {
  const tunnels: TunnelStream[] = [];
  const server = await startServer((request) => {
    const tunnel = request.accept();
    if (tunnel) tunnels.push(tunnel);
  });
  const connection = await openConnection(server.port);
  return {
    server,
    connection,
    open: async (): Promise<[near: TunnelStream, far: TunnelStream]> => {
      const near = opened(await connection.connect({ authority: "10.0.0.1:80" }));
      const far = tunnels.at(-1) as TunnelStream;
      for (const tunnel of [near, far]) tunnel.on("error", () => tunnel.destroy());
      return [near, far];
    },
    [Symbol.asyncDispose]: async () => {
      await connection[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

describe("half-close of a tunnel", () => {
  it.each([
    ["near", "far"],
    ["far", "near"],
  ])("by the %s end lets the %s end go on, and closes both when it has ended too", async (first) => {
    await using tunnels = await startTunnels();
    const [near, far] = await tunnels.open();
    const [one, other] = first === "near" ? [near, far] : [far, near];
    const heard = readAll(other);
    one.end("first");
    expect((await heard).toString()).toBe("first");
    expect([other.readableEnded, other.writable, one.readableEnded]).toEqual([true, true, false]);
    const answer = readAll(one);
    other.write("second ");
    await settled();
    other.end("third");
    expect((await answer).toString()).toBe("second third");
    await until(() => one.closed && other.closed);
    expect(tunnels.connection.openTunnels).toBe(0);
  });

  it("by both at once closes both", async () => {
    await using tunnels = await startTunnels();
    const [near, far] = await tunnels.open();
    const all = Promise.all([readAll(near), readAll(far)]);
    near.end("a");
    far.end("b");
    expect((await all).map(String)).toEqual(["b", "a"]);
    await until(() => near.closed && far.closed);
  });

  it("with nothing read before reads everything afterwards", async () => {
    await using tunnels = await startTunnels();
    const [near, far] = await tunnels.open();
    near.end("unread");
    far.end();
    await settled();
    expect((await readAll(far)).toString()).toBe("unread");
  });
});

describe("destroying a tunnel", () => {
  it("resets the other end, which learns why", async () => {
    await using tunnels = await startTunnels();
    const [near, far] = await tunnels.open();
    const error = once(far.resume(), "error");
    near.destroy();
    expect(await error).toMatchObject([{ code: "HBONE_STREAM_RESET", details: { h2Code: "CANCEL" } }]);
    expect(far.destroyed).toBe(true);
  });

  it("forgets what it had not read", async () => {
    await using tunnels = await startTunnels();
    const [near, far] = await tunnels.open();
    near.end(Buffer.alloc(100_000));
    far.end();
    await until(() => [...tunnels.server.hbone.connections][0]?.stats().held !== 0);
    await until(() => near.writableFinished);
    far.destroy();
    await settled();
    expect([...tunnels.server.hbone.connections][0]?.stats().held).toBe(0);
  });

  it("fails writes that are under way", async () => {
    await using tunnels = await startTunnels();
    const [near] = await tunnels.open();
    const written = new Promise<Error | null | undefined>((resolve) => near.write(Buffer.alloc(5_000_000), resolve));
    near.destroy();
    expect(await written).toMatchObject({ code: "HBONE_CONNECTION_CLOSED" });
  });
});

describe("back-pressure", () => {
  it("reaches the writer, and lets go when the reader reads", async () => {
    await using tunnels = await startTunnels();
    const [near, far] = await tunnels.open();
    let sent = 0;
    while (near.write(Buffer.alloc(10_000)) && sent < 10_000_000) {
      sent += 10_000;
      await settled(2);
    }
    expect(sent).toBeLessThan(1_000_000);
    const drained = once(near, "drain");
    const received = hashOf(far);
    await drained;
    near.end();
    expect((await received).bytes).toBe(sent + 10_000);
  });

  it("works for readers that take pieces with read()", async () => {
    await using tunnels = await startTunnels();
    const [near, far] = await tunnels.open();
    const hash = sendRandom(near, 2_000_000);
    const chunks: Buffer[] = [];
    far.on("readable", () => {
      for (let chunk = far.read(777) ?? far.read(); chunk !== null; chunk = far.read(777) ?? far.read())
        chunks.push(chunk);
    });
    await once(far, "end");
    expect(md5(Buffer.concat(chunks))).toBe(await hash);
  });

  it("works for async iteration and pipes", async () => {
    await using tunnels = await startTunnels();
    const [near, far] = await tunnels.open();
    far.pipe(far);
    Readable.from([Buffer.from("one "), Buffer.from("two")]).pipe(near);
    let text = "";
    for await (const chunk of near) text += String(chunk);
    expect(text).toBe("one two");
  });
});

describe("a tunnel as a socket", () => {
  it("has the properties and methods of one", async () => {
    await using tunnels = await startTunnels();
    const [near] = await tunnels.open();
    expect(near).toMatchObject({
      connecting: false,
      pending: false,
      encrypted: true,
      remoteAddress: "127.0.0.1",
      remotePort: tunnels.server.port,
      localAddress: "127.0.0.1",
      bytesRead: 0,
      bytesWritten: 0,
    });
    expect(near.setNoDelay(true).setKeepAlive(true, 1).ref().unref()).toBe(near);
    near.write("12345");
    await until(() => near.bytesWritten === 5);
    near.destroySoon();
    await until(() => near.destroyed);
    near.destroySoon();
  });

  it("tells of idleness, as often as asked", async () => {
    const clock = new FakeClock();
    await using server = await startServer((request) => {
      const tunnel = request.accept();
      tunnel?.on("error", () => tunnel.destroy());
      tunnel?.pipe(tunnel);
    });
    const { client } = await identities();
    const connection = await openHboneConnection(await dial(server.port), { secure: secureAs(client), clock });
    const tunnel = opened(await connection.connect({ authority: "a:1" }));
    let timeouts = 0;
    tunnel.setTimeout(1000, () => timeouts++);
    clock.advance(900);
    tunnel.write("x");
    await once(tunnel, "data");
    clock.advance(900);
    expect(timeouts).toBe(0);
    clock.advance(100);
    expect([timeouts, tunnel.timeout, tunnel.destroyed]).toEqual([1, 1000, false]);
    tunnel.setTimeout(0);
    clock.advance(10_000);
    expect(timeouts).toBe(1);
    tunnel.destroy();
    connection.drain();
    await until(() => connection.isClosed);
  });

  it("serves http.Agent: keep-alive, several requests, bodies both ways", async () => {
    await using web = await startWebServer();
    await using pool = await startPool();
    const agent = new Agent({ keepAlive: true, maxSockets: 2 });
    agent.createConnection = (_options, settle) => {
      openTunnel(pool, web.port).then(
        (tunnel) => settle?.(null, tunnel),
        (error: Error) => settle?.(error, undefined as never),
      );
      return undefined;
    };
    const fetch = async (body: string): Promise<string> => {
      const request = httpRequest({ agent, host: "app", path: "/echo", method: "POST" }).end(body);
      const [response] = (await once(request, "response")) as [IncomingMessage];
      return (await readAll(response as never)).toString();
    };
    const bodies = Array.from({ length: 20 }, (_unused, index) => String(index).repeat(index * 500 + 1));
    for (const body of bodies) expect(await fetch(body)).toBe(body);
    expect(pool.stats()).toMatchObject({ connections: 1, tunnelsOpenedTotal: 1 });
    expect(await Promise.all(bodies.map(fetch))).toEqual(bodies);
    expect(pool.stats()).toMatchObject({ connections: 1 });
    const missing = get({ agent, host: "app", path: "/none" });
    const [response] = (await once(missing, "response")) as [IncomingMessage];
    expect(response.statusCode).toBe(404);
    response.resume();
    await once(response, "close");
    agent.destroy();
    await until(() => pool.stats().tunnels === 0);
  });

  it("serves undici as its connector", async () => {
    await using web = await startWebServer();
    await using pool = await startPool();
    const connect: buildConnector.connector = (_options, settle) => {
      openTunnel(pool, web.port).then(
        (tunnel) => settle(null, tunnel as unknown as Socket),
        (error: Error) => settle(error, null),
      );
    };
    const client = new Client("http://app", { connect, pipelining: 1 });
    for (const body of ["", "short", "long ".repeat(100_000)]) {
      const { statusCode, body: answer } = await client.request({ path: "/echo", method: "POST", body });
      expect([statusCode, await answer.text()]).toEqual([200, body]);
    }
    expect(pool.stats().tunnelsOpenedTotal).toBe(1);
    await client.close();
    await until(() => pool.stats().tunnels === 0);
  });
});

/** An HTTP/1.1 server whose connections are tunnels. */
async function startWebServer(): Promise<{ port: number } & AsyncDisposable> {
  const web = createHttp((request, response) => {
    if (request.url !== "/echo") response.writeHead(404).end();
    else request.pipe(response);
  });
  const server = await startServer((request) => {
    const tunnel = request.accept();
    if (tunnel) web.emit("connection", tunnel);
  });
  return { port: server.port, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function openTunnel(pool: HbonePool, port: number): Promise<TunnelStream> {
  return opened(await pool.connect(targetOf(port), { authority: "app:80" }));
}
