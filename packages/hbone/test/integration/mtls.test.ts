// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { connect as connectTcp } from "node:net";
import { connect as connectPlain, createServer } from "node:tls";
import { createTestAuthority } from "@ambientmesh/testkit";
import { clientTlsOptions, serverTlsOptions } from "@ambientmesh/spiffe";
import { describe, expect, it } from "vitest";
import { openHboneConnection, type ConnectionFailed } from "../../src/index.ts";
import {
  CLIENT_ID,
  dial,
  identities,
  listen,
  opened,
  openConnection,
  readAll,
  secureAs,
  SERVER_ID,
  startServer,
} from "../support/mesh.ts";
import { until } from "../support/turns.ts";

describe("mutual TLS with SPIFFE ids", () => {
  it("tells each side who the other is, over TLS 1.3 with ALPN h2", async () => {
    await using server = await startServer((request) => {
      const { peer, tlsVersion, cipherSuite } = request.info;
      const tunnel = request.accept();
      tunnel?.on("error", () => tunnel.destroy());
      tunnel?.resume().end(`${peer.id} ${tlsVersion} ${cipherSuite}`);
    });
    await using connection = await openConnection(server.port);
    expect(connection.info).toMatchObject({
      peer: { id: SERVER_ID },
      tlsVersion: "TLSv1.3",
      cipherSuite: "TLS_AES_128_GCM_SHA256",
      remotePort: server.port,
    });
    const tunnel = opened(await connection.connect({ authority: "10.0.0.1:80" }));
    expect(tunnel.info).toMatchObject({ authority: "10.0.0.1:80", peer: { id: SERVER_ID } });
    tunnel.end();
    expect((await readAll(tunnel)).toString()).toBe(`${CLIENT_ID} TLSv1.3 TLS_AES_128_GCM_SHA256`);
  });

  it("refuses a server with another id than expected, before anything was sent to it", async () => {
    let connections = 0;
    await using server = await startServer(() => void connections++);
    const { client } = await identities();
    const wrong = secureAs(client, ["spiffe://cluster.local/ns/test/sa/other"]);
    await expect(openHboneConnection(await dial(server.port), { secure: wrong })).rejects.toMatchObject({
      code: "HBONE_PEER_REFUSED",
      details: { reason: "unexpected-identity" },
    });
    expect(connections).toBe(0);
  });

  it.each([
    ["another trust domain of the same roots", "HBONE_PEER_REFUSED", "wrong-trust-domain"],
    ["other roots", "HBONE_TLS_FAILED", "untrusted"],
  ])("refuses a client of %s", async (which, code, reason) => {
    const { authority, server: svid } = await identities();
    const other = which === "other roots" ? await createTestAuthority() : authority;
    const trusting = { ...svid, trustBundle: authority.trustBundle };
    const failures: ConnectionFailed[] = [];
    const listener = (message: unknown): void => void failures.push(message as ConnectionFailed);
    subscribe("ambientmesh:hbone:connection:fail", listener);
    await using server = await startServer(() => {}, {
      svid: trusting,
      trustDomain: which === "other roots" ? "cluster.local" : "elsewhere",
    });
    const stranger = { ...(await other.svid(CLIENT_ID)), trustBundle: authority.trustBundle };
    try {
      const connection = await openHboneConnection(await dial(server.port), { secure: secureAs(stranger) });
      await connection.connect({ authority: "a:1" });
    } catch {
      // With TLS 1.3 a client learns only afterwards that its certificate was not accepted.
    }
    await until(() => failures.length > 0);
    unsubscribe("ambientmesh:hbone:connection:fail", listener);
    expect(failures).toMatchObject([{ role: "server", error: { code, details: { reason } } }]);
    expect(server.hbone.stats()).toMatchObject({ connections: 0, handshakes: 0, connectionsFailedTotal: 1 });
  });

  it("refuses clients without a certificate, of TLS 1.2, and without h2", async () => {
    await using server = await startServer(() => {});
    const { client } = await identities();
    const options = clientTlsOptions(client, { expectedIds: [SERVER_ID] });
    const { secureContext: _context, ...anonymous } = options;
    const attempts = [
      anonymous,
      { ...anonymous, maxVersion: "TLSv1.2" as const },
      { ...options, ALPNProtocols: ["http/1.1"] },
    ];
    for (const [index, attempt] of attempts.entries()) {
      const socket = connectPlain({ ...attempt, port: server.port, host: "127.0.0.1", rejectUnauthorized: false });
      socket.on("error", () => socket.destroy());
      await until(() => socket.closed && server.hbone.stats().connectionsFailedTotal === index + 1);
    }
    expect(server.hbone.stats()).toMatchObject({ connections: 0, connectionsTotal: 0 });
  });

  it("refuses servers of TLS 1.2 only", async () => {
    const { server: svid, client } = await identities();
    const old = createServer({
      ...serverTlsOptions(svid),
      minVersion: "TLSv1.2",
      maxVersion: "TLSv1.2",
      ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256",
    });
    old.on("tlsClientError", () => {});
    old.listen(0, "127.0.0.1");
    await once(old, "listening");
    const { port } = old.address() as { port: number };
    await expect(openHboneConnection(await dial(port), { secure: secureAs(client) })).rejects.toMatchObject({
      code: "HBONE_TLS_FAILED",
    });
    old.close();
  });

  it("ends handshakes that take too long, on both sides", async () => {
    await using server = await startServer(() => {}, { tlsTimeoutMs: 50 });
    const silent = connectTcp(server.port, "127.0.0.1");
    silent.on("error", () => silent.destroy());
    await once(silent, "close");
    expect(server.hbone.stats()).toMatchObject({ connectionsFailedTotal: 1, handshakes: 0 });

    const { client } = await identities();
    const deaf = await listen((socket) => socket.on("error", () => socket.destroy()));
    await expect(
      openHboneConnection(await dial(deaf.port), { secure: secureAs(client) }, { tlsTimeoutMs: 50 }),
    ).rejects.toMatchObject({
      code: "HBONE_TIMEOUT",
      details: { phase: "tls" },
    });
    deaf.close();
  });

  it("gives up when asked to", async () => {
    const { client } = await identities();
    const deaf = await listen((socket) => socket.on("error", () => socket.destroy()));
    const abort = new AbortController();
    const opening = openHboneConnection(await dial(deaf.port), { secure: secureAs(client) }, { signal: abort.signal });
    abort.abort(new Error("no longer needed"));
    await expect(opening).rejects.toMatchObject({ code: "ABORTED" });
    deaf.close();
  });

  it("serves a client whose handshake was under way when the drain began, and nobody after it", async () => {
    await using server = await startServer((request) => void request.accept()?.resume().end("bye"));
    const { client } = await identities();
    const raw = await dial(server.port);
    await until(() => server.hbone.stats().handshakes === 1);
    server.hbone.drain();
    const connection = await openHboneConnection(raw, { secure: secureAs(client) });
    const tunnel = opened(await connection.connect({ authority: "app:1" }));
    tunnel.end();
    expect((await readAll(tunnel)).toString()).toBe("bye");
    await until(() => connection.isClosed);
    const late = await dial(server.port);
    late.on("error", () => late.destroy()).resume();
    await once(late, "end");
    late.destroy();
  });
});
