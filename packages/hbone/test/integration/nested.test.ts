// SPDX-License-Identifier: Apache-2.0
/** Double HBONE: a tunnel to a gateway, and inside it another connection, to whom the gateway can't read. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { acceptTls } from "@ambientmesh/spiffe";
import { describe, expect, it } from "vitest";
import {
  HboneServer,
  joinTunnel,
  openHboneConnection,
  type ConnectRequest,
  type HboneConnection,
} from "../../src/index.ts";
import {
  buffers,
  CLIENT_ID,
  dial,
  hashOf,
  identities,
  listen,
  opened,
  readAll,
  secureAs,
  sendRandom,
  SERVER_ID,
  startPool,
  startServer,
  targetOf,
} from "../support/mesh.ts";
import { until } from "../support/turns.ts";

const GATEWAY_ID = "spiffe://cluster.local/ns/istio-system/sa/gateway";

/** Gateway and pod, each an HBONE server; the gateway joins tunnels to sockets of the pod's port. */
async function startNetwork(onConnect: (request: ConnectRequest) => void) {
  const { authority } = await identities();
  const pod = await startServer(onConnect);
  const gateway = await startServer(
    async (request) => {
      const socket = await dial(pod.port);
      const tunnel = request.accept();
      if (tunnel) joinTunnel(socket, tunnel, buffers);
      else socket.destroy();
    },
    { svid: await authority.svid(GATEWAY_ID) },
  );
  const pool = await startPool();
  const { client } = await identities();
  return {
    pod,
    gateway,
    pool,
    /** A connection to the pod inside a tunnel of the gateway. */
    reach: async (): Promise<HboneConnection> => {
      const target = { ...targetOf(gateway.port), expected: [GATEWAY_ID] };
      const outer = opened(await pool.connect(target, { authority: "web.default.svc:80" }));
      return openHboneConnection(outer, { secure: secureAs(client), buffers });
    },
    [Symbol.asyncDispose]: async () => {
      await pool[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
      await pod[Symbol.asyncDispose]();
    },
  };
}

const echo = (request: ConnectRequest): void => {
  const tunnel = request.accept();
  tunnel?.on("error", () => tunnel.destroy());
  tunnel?.pipe(tunnel);
};

describe("a connection inside a tunnel", () => {
  it("has its own identities, TLS and bytes", async () => {
    const seen: unknown[] = [];
    await using network = await startNetwork((request) => {
      seen.push(request.info.peer.id, request.authority, request.headers["x-forwarded-network"]);
      echo(request);
    });
    const inner = await network.reach();
    const tunnel = opened(
      await inner.connect({ authority: "web.default.svc:80", headers: { "x-forwarded-network": "network-1" } }),
    );
    expect([...network.gateway.hbone.connections][0]?.info.peer.id).toBe(CLIENT_ID);
    expect(inner.info).toMatchObject({ peer: { id: SERVER_ID }, tlsVersion: "TLSv1.3" });
    const received = hashOf(tunnel);
    const sent = await sendRandom(tunnel, 10_000_000);
    expect(await received).toEqual({ md5: sent, bytes: 10_000_000 });
    expect(seen).toEqual([CLIENT_ID, "web.default.svc:80", "network-1"]);
    inner.drain();
    await until(() => inner.isClosed && network.pool.stats().tunnels === 0);
  });

  it("carries several tunnels, joined to sockets", async () => {
    await using network = await startNetwork(echo);
    const inner = await network.reach();
    const one = async (size: number): Promise<boolean> => {
      const pairs = await listen(() => {}, { pauseOnConnect: true });
      const near = dial(pairs.port);
      const [far] = (await once(pairs, "connection")) as [Socket];
      const join = joinTunnel(far, opened(await inner.connect({ authority: "a:1" })), buffers);
      const app = await near;
      const received = hashOf(app);
      const sent = await sendRandom(app, size);
      const isEqual = (await received).md5 === sent;
      pairs.close();
      return isEqual && (await join.ended).end === "both-closed";
    };
    expect(await Promise.all([1000, 2_000_000, 300_000, 5_000_000].map(one))).toEqual([true, true, true, true]);
    inner.drain();
  });

  it("keeps its bytes apart from those of others inside the same connection", async () => {
    await using network = await startNetwork(echo);
    const one = async (index: number): Promise<boolean> => {
      const inner = await network.reach();
      const tunnel = opened(await inner.connect({ authority: `a:${index}` }));
      tunnel.on("error", () => tunnel.destroy());
      const received = hashOf(tunnel);
      const sent = await sendRandom(tunnel, 1_000_000 + index * 100_003);
      const isEqual = (await received).md5 === sent;
      inner.drain();
      return isEqual;
    };
    expect(await Promise.all(Array.from({ length: 12 }, (_unused, index) => one(index)))).not.toContain(false);
    expect(network.pool.stats().dialsTotal).toBe(1);
  });

  it("ends with the tunnel around it", async () => {
    await using network = await startNetwork(echo);
    const inner = await network.reach();
    const tunnel = opened(await inner.connect({ authority: "a:1" }));
    const errors: unknown[] = [];
    tunnel.on("error", (error) => errors.push(error));
    await network.pool.close(0);
    await until(() => inner.isClosed && errors.length > 0);
    expect(errors).toMatchObject([{ code: "HBONE_CONNECTION_CLOSED" }]);
  });

  it("is refused by the wrong identity inside, whoever the gateway is", async () => {
    await using network = await startNetwork(echo);
    const { client } = await identities();
    const outer = opened(
      await network.pool.connect({ ...targetOf(network.gateway.port), expected: [GATEWAY_ID] }, { authority: "a:1" }),
    );
    await expect(openHboneConnection(outer, { secure: secureAs(client, [GATEWAY_ID]) })).rejects.toMatchObject({
      code: "HBONE_PEER_REFUSED",
    });
    await until(() => outer.destroyed);
  });

  it("may be accepted inside a tunnel just as well", async () => {
    const { server: svid, client } = await identities();
    const inside = new HboneServer({
      secure: (raw, _context, limits) => acceptTls(raw, svid, limits),
      onConnect: echo,
      buffers,
    });
    await using outer = await startServer((request) => {
      const tunnel = request.accept();
      if (tunnel) inside.handle(tunnel, undefined);
    });
    await using pool = await startPool();
    const raw = opened(await pool.connect(targetOf(outer.port), { authority: "inner:15008" }));
    const inner = await openHboneConnection(raw, { secure: secureAs(client), buffers });
    const tunnel = opened(await inner.connect({ authority: "a:1" }));
    tunnel.end("deep");
    expect((await readAll(tunnel)).toString()).toBe("deep");
    expect(inner.info).toMatchObject({ remoteAddress: "127.0.0.1", tlsVersion: "TLSv1.3" });
    await inside[Symbol.asyncDispose]();
    await until(() => inner.isClosed);
  });
});
