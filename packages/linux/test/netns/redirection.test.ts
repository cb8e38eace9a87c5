// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import {
  applyNftables,
  bindUdp,
  connectTcp,
  detectIptables,
  listenTcp,
  originalDestination,
  restoreIptables,
  NetworkPlan,
  type OriginalDestination,
} from "../../src/index.ts";
import { A, B, mayUseNetns, twoPods, type TwoPods } from "./two-pods.ts";

const MARK = 0x539;
const FAMILIES = ["v4", "v6"] as const;

/** What the node proxy's rules do, at their smallest: everything but its own packets goes to 15001. */
const NFT_REDIRECT = `
table inet capture {
  chain output {
    type nat hook output priority -100; policy accept;
    meta mark & 0xfff == ${MARK} return
    meta l4proto tcp redirect to :15001
    udp dport 53 redirect to :15053
  }
}`;
const IPTABLES_REDIRECT = `*nat
-A OUTPUT -m mark --mark ${MARK}/0xfff -j RETURN
-A OUTPUT -p tcp -j REDIRECT --to-ports 15001
COMMIT
`;

describe.runIf(mayUseNetns())("redirection", () => {
  let pods: TwoPods;
  let server: Server;
  const seen: OriginalDestination[] = [];

  beforeEach(async () => {
    seen.length = 0;
    pods = await twoPods();
    server = createServer({ allowHalfOpen: true }, (socket) => {
      const destination = originalDestination(socket);
      seen.push(destination);
      void relay(socket, destination);
    });
    await listenTcp(server, { netns: pods.a, address: "::", port: 15_001, mark: MARK, transparent: true });
  });
  afterEach(async () => {
    server.close();
    await once(server, "close");
    pods[Symbol.dispose]();
  });

  async function relay(socket: Socket, { address, port }: OriginalDestination): Promise<void> {
    const upstream = await connectTcp({ netns: pods.a, host: address, port, mark: MARK });
    socket.pipe(upstream).pipe(socket);
  }

  /** From a to an echo server in b that never hears of the proxy. */
  async function echoThrough(v: "v4" | "v6"): Promise<string> {
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    const { port } = await listenTcp(echo, { netns: pods.b, address: "::", port: 0 });
    const client = await connectTcp({ netns: pods.a, host: B[v], port });
    client.end("hello");
    const answer = Buffer.concat((await client.toArray()) as Buffer[]).toString();
    expect(seen).toEqual([{ address: B[v], port, via: "conntrack" }]);
    client.destroy();
    echo.close();
    await once(echo, "close");
    return answer;
  }

  test.each(FAMILIES)("by nftables keeps the original destination over %s, end to end", async (v) => {
    await applyNftables(NFT_REDIRECT, { netns: pods.a });
    expect(await echoThrough(v)).toBe("hello");
  });

  test.each(FAMILIES)("by iptables keeps the original destination over %s, end to end", async (v) => {
    const tools = await detectIptables();
    expect(tools.length).toBeGreaterThan(0);
    const [tool] = tools;
    if (!tool) return;
    await restoreIptables(tool, v === "v4" ? 4 : 6, IPTABLES_REDIRECT, { netns: pods.a });
    expect(await echoThrough(v)).toBe("hello");
  });

  it("leaves marked sockets alone", async () => {
    await applyNftables(NFT_REDIRECT, { netns: pods.a });
    const marked = connectTcp({ netns: pods.a, host: B.v4, port: 9, mark: MARK });
    await expect(marked).rejects.toThrow(/ECONNREFUSED/);
    expect(seen).toEqual([]);
  });

  it("of DNS reaches a UDP socket on loopback, and the answer seems to come from the server asked", async () => {
    await applyNftables(NFT_REDIRECT, { netns: pods.a });
    const proxy = await bindUdp({ netns: pods.a, address: "127.0.0.1", port: 15_053, mark: MARK });
    const client = await bindUdp({ netns: pods.a, address: A.v4, port: 0 });
    try {
      const question = once(proxy, "message");
      const answer = once(client, "message");
      client.send("q", 53, B.v4);
      const [, from] = (await question) as [Buffer, { address: string; port: number }];
      proxy.send("a", from.port, from.address);
      const [data, server] = (await answer) as [Buffer, { address: string; port: number }];
      expect([data.toString(), server.address, server.port]).toEqual(["a", B.v4, 53]);
    } finally {
      proxy.close();
      client.close();
    }
  });

  test.each(FAMILIES)("by TPROXY shows the destination as the local address over %s", async (v) => {
    const foreign = v === "v4" ? "198.51.100.7" : "2001:db8:7::7";
    const protocol = v === "v4" ? "ip" : "ip6";
    const loopback = v === "v4" ? "127.0.0.1" : "[::1]";
    await applyNftables(
      `table ${protocol} tp {
        chain pre {
          type filter hook prerouting priority -150;
          meta l4proto tcp ${protocol} daddr ${foreign} tproxy to ${loopback}:15006 meta mark set 0x111
        }
      }`,
      { netns: pods.a },
    );
    await new NetworkPlan()
      .rule(pods.a, { priority: 32_764, mark: 0x111, mask: 0xfff, table: 100, version: v === "v4" ? 4 : 6 })
      .route(pods.a, { to: v === "v4" ? "0.0.0.0/0" : "::/0", type: "local", device: "lo", table: 100 })
      .route(pods.b, { to: foreign, via: A[v] })
      .apply();
    const inbound = createServer();
    const connection = once(inbound, "connection");
    await listenTcp(inbound, {
      netns: pods.a,
      address: v === "v4" ? "0.0.0.0" : "::",
      port: 15_006,
      transparent: true,
    });
    const client = await connectTcp({ netns: pods.b, host: foreign, port: 8080 });
    const [socket] = (await connection) as [Socket];
    expect(originalDestination(socket)).toMatchObject({ address: foreign, port: 8080 });
    socket.destroy();
    client.destroy();
    inbound.close();
    await once(inbound, "close");
  });
});

describe.runIf(mayUseNetns())("the original destination of a TLS connection", () => {
  it("is read before and after the handshake", async () => {
    using pods = await twoPods();
    await applyNftables(
      "table inet r {\n chain pre {\n type nat hook prerouting priority -100; tcp dport 443 redirect to :15008\n }\n }",
      { netns: pods.b },
    );
    const server = createTlsServer({ pskCallback: () => Buffer.from("key"), ciphers: "PSK", maxVersion: "TLSv1.2" });
    await listenTcp(server, { netns: pods.b, address: "::", port: 15_008 });
    const early: OriginalDestination[] = [];
    server.on("connection", (socket: Socket) => early.push(originalDestination(socket)));
    const secured = once(server, "secureConnection");
    const raw = await connectTcp({ netns: pods.a, host: B.v4, port: 443 });
    const { connect } = await import("node:tls");
    const client = connect({
      socket: raw,
      ciphers: "PSK",
      maxVersion: "TLSv1.2",
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ identity: "x", psk: Buffer.from("key") }),
    });
    const [socket] = (await secured) as [Socket];
    const expected = { address: B.v4, port: 443, via: "conntrack" };
    expect(early).toEqual([expected]);
    expect(originalDestination(socket)).toEqual(expected);
    client.destroy();
    socket.destroy();
    server.close();
    await once(server, "close");
  });
});
