// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { Duplex, duplexPair } from "node:stream";
import { connect, createServer, type ConnectionOptions, type TLSSocket, type TlsOptions } from "node:tls";
import { createIntermediate, createRoot, withRoots } from "@ambientmesh/ca";
import { FakeClock, NAME_TAG, createTestAuthority, deviantCertificate, type Deviation } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import {
  RevocationSet,
  acceptTls,
  clientTlsOptions,
  connectTls,
  createTlsPolicy,
  secureContextFor,
  serverTlsOptions,
  verifyClient,
  verifyServer,
  type HandshakeOutcome,
  type RevocationSource,
  type Svid,
} from "../../src/index.ts";
import { OID, basicConstraintsExtension } from "../../src/x509/index.ts";
import { Wire } from "./tls-peers.ts";

const WEB = "spiffe://cluster.local/ns/default/sa/web";
const API = "spiffe://cluster.local/ns/default/sa/api";
const ca = await createTestAuthority();
const [web, api] = await Promise.all([ca.svid(WEB), ca.svid(API)]);

let wire: Wire;
beforeAll(async () => {
  wire = await new Wire().listen();
});
afterAll(async () => wire[Symbol.asyncDispose]());

type Established = Extract<HandshakeOutcome, { kind: "established" }>;
const established = (outcome: HandshakeOutcome): Established => {
  expect(outcome).toMatchObject({ kind: "established" });
  return outcome as Established;
};

async function handshake(
  client: Svid,
  server: Svid,
  options: {
    readonly expectedIds?: readonly string[];
    readonly trustDomain?: string;
    readonly revocation?: RevocationSource;
  } = {},
): Promise<{ readonly client: HandshakeOutcome; readonly server: HandshakeOutcome }> {
  const { expectedIds = [server.id], ...rest } = options;
  const raw = await wire.pair();
  const [clientSide, serverSide] = await Promise.all([
    connectTls(raw.client, client, { ...rest, expectedIds }),
    acceptTls(raw.server, server, rest),
  ]);
  return { client: clientSide, server: serverSide };
}

async function speak(from: TLSSocket, to: TLSSocket, text: string): Promise<void> {
  from.write(text);
  const [chunk] = (await once(to, "data")) as [Buffer];
  expect(chunk.toString()).toBe(text);
}

/** A server of ours that meets a client of node:tls with these files; what we say of it. */
async function meetClient(files: ConnectionOptions): Promise<HandshakeOutcome> {
  const raw = await wire.pair();
  const stranger = connect({
    ALPNProtocols: ["h2"],
    ...files,
    socket: raw.client,
    checkServerIdentity: () => undefined,
  });
  stranger.on("error", () => {});
  return acceptTls(raw.server, api, { timeoutMs: 5000 });
}

/** A client of ours that meets a server of node:tls with these files; what we say of it. */
async function meetServer(files: TlsOptions, expectedIds: readonly string[] = [WEB]): Promise<HandshakeOutcome> {
  const raw = await wire.pair();
  const stranger = createServer({ ALPNProtocols: ["h2"], ...files, requestCert: true, rejectUnauthorized: false });
  stranger.on("secureConnection", (socket) => socket.on("error", () => {}));
  stranger.on("tlsClientError", () => {});
  stranger.emit("connection", raw.server);
  return connectTls(raw.client, api, { expectedIds, timeoutMs: 5000 });
}

class Lists implements RevocationSource {
  current = RevocationSet.EMPTY;
  subscribe(): Disposable {
    return { [Symbol.dispose]: () => {} };
  }
}

describe("a handshake", () => {
  it("tells both sides who the other one is", async () => {
    const { client, server } = await handshake(web, api);
    const [ours, theirs] = [established(client), established(server)];
    expect([ours.peer.id, theirs.peer.id]).toEqual([API, WEB]);
    expect(theirs.peer.certificate.equals(web.certificateChain[0])).toBe(true);
    expect(ours.peer.path).toBeUndefined();
    await speak(ours.socket, theirs.socket, "hello");
    await speak(theirs.socket, ours.socket, "and hello to you");
  });

  it("is TLS 1.3 with AES-128-GCM, X25519, h2 and no server name", async () => {
    const { client, server } = await handshake(web, api);
    const { socket } = established(client);
    expect(socket.getProtocol()).toBe("TLSv1.3");
    expect(socket.getCipher().name).toBe("TLS_AES_128_GCM_SHA256");
    expect(socket.getEphemeralKeyInfo()).toMatchObject({ name: "X25519" });
    expect(socket.alpnProtocol).toBe("h2");
    expect(established(server).socket.servername).toBe(false);
  });

  it("never resumes a session", async () => {
    const sessions: Buffer[] = [];
    for (const session of [undefined, () => sessions.at(-1)]) {
      const raw = await wire.pair();
      const accepted = acceptTls(raw.server, api);
      const options = { ...clientTlsOptions(web, { expectedIds: [API] }), session: session?.() };
      const socket = connect({ ...options, socket: raw.client } as ConnectionOptions);
      socket.on("session", (ticket: Buffer) => sessions.push(ticket));
      await once(socket, "secureConnect");
      const { socket: theirs } = established(await accepted);
      await speak(theirs, socket, "so that the tickets have come");
      expect(socket.isSessionReused()).toBe(false);
      expect(theirs.isSessionReused()).toBe(false);
    }
    expect(sessions.length).toBeGreaterThan(0);
  });

  it("shows leaf and intermediates to both sides", async () => {
    const root = await createRoot("cluster.local", { keyType: "ecdsa-p256" });
    const below = await createTestAuthority({
      material: await createIntermediate(root, "i", { keyType: "ecdsa-p256" }),
    });
    for (const authority of [ca, below]) {
      const [one, other] = await Promise.all([authority.svid(WEB), authority.svid(API)]);
      const revocation = new Lists();
      const { client, server } = await handshake(one, other, { revocation });
      const roots = authority.trustBundle.roots;
      expect(established(server).peer.path).toEqual([...one.certificateChain, ...roots]);
      expect(established(client).peer.path).toEqual([...other.certificateChain, ...roots]);
    }
  });

  it("works over any stream, as nested tunnels need it", async () => {
    const [left, right] = duplexPair();
    const [client, server] = await Promise.all([connectTls(left, web, { expectedIds: [API] }), acceptTls(right, api)]);
    expect(established(client).peer.id).toBe(API);
    await speak(established(client).socket, established(server).socket, "through a pipe");
  });

  it("builds one context for each SVID and policy", () => {
    const policy = createTlsPolicy();
    expect(secureContextFor(web)).toBe(secureContextFor(web));
    expect(secureContextFor(web)).not.toBe(secureContextFor(api));
    expect(secureContextFor(web, policy)).not.toBe(secureContextFor(web));
    expect(clientTlsOptions(web, { expectedIds: [] }).secureContext).toBe(secureContextFor(web));
  });
});

describe("RSA and mixed roots", () => {
  it("work together", async () => {
    const rsa = await createTestAuthority({ material: await createRoot("cluster.local") });
    const both = withRoots(rsa.authority.material, ca.authority.rootsPem);
    const bothToo = withRoots(ca.authority.material, rsa.authority.rootsPem);
    const one = await (await createTestAuthority({ material: both })).svid(WEB);
    const other = await (await createTestAuthority({ material: bothToo })).svid(API);
    const { client, server } = await handshake(one, other);
    expect([established(client).peer.id, established(server).peer.id]).toEqual([API, WEB]);
  });
});

describe("a server refuses a client", () => {
  const DAY = 86_400_000;
  const cases: readonly (readonly [string, Deviation, string])[] = [
    ["that has expired", { notAfterMs: Date.now() - DAY, notBeforeMs: Date.now() - 2 * DAY }, "expired"],
    ["that is not valid yet", { notBeforeMs: Date.now() + DAY, notAfterMs: Date.now() + 2 * DAY }, "not-yet-valid"],
    ["of another trust domain", { names: [[NAME_TAG.URI, "spiffe://other/ns/default/sa/web"]] }, "wrong-trust-domain"],
    [
      "of another trust domain with a second URI of ours",
      {
        names: [
          [NAME_TAG.URI, "spiffe://other/ns/default/sa/web"],
          [NAME_TAG.URI, WEB],
        ],
      },
      "invalid-certificate",
    ],
    ["with a NUL in its URI", { names: [[NAME_TAG.URI, `${WEB}\0.other`]] }, "invalid-certificate"],
    ["without a URI", { names: [[NAME_TAG.DNS, "web.default.svc"]] }, "invalid-certificate"],
    [
      "with an id in an otherName only",
      { names: [[NAME_TAG.OTHER, Buffer.from("060100a0040c02 6162".replaceAll(" ", ""), "hex")]] },
      "invalid-certificate",
    ],
    ["whose certificate is for servers only", { purposes: [OID.SERVER_AUTH] }, "untrusted"],
    ["that is an authority", { extensions: [basicConstraintsExtension(true)] }, "invalid-certificate"],
  ];
  test.each(cases)("%s", async (_what, deviation, reason) => {
    const files = await deviantCertificate(ca.authority.material, deviation);
    expect(await meetClient(files)).toMatchObject({ kind: "refused", reason });
  });

  it("of an unknown root", async () => {
    const { authority } = await createTestAuthority();
    const files = await deviantCertificate(authority.material, {});
    expect(await meetClient({ ...files, ca: ca.authority.rootsPem })).toMatchObject({
      kind: "refused",
      reason: "untrusted",
    });
  });

  it("without a certificate", async () => {
    expect(await meetClient({ ca: ca.authority.rootsPem })).toMatchObject({
      kind: "refused",
      reason: "no-certificate",
    });
  });

  test.each<[string, ConnectionOptions]>([
    ["with TLS 1.2", { maxVersion: "TLSv1.2" }],
    ["with ChaCha20 only", { ciphers: "TLS_CHACHA20_POLY1305_SHA256" }],
    ["with another group only", { ecdhCurve: "P-521" }],
    ["with another protocol", { ALPNProtocols: ["http/1.1"] }],
  ])("%s", async (_what, options) => {
    const files = await deviantCertificate(ca.authority.material, {});
    expect(await meetClient({ ...files, ...options })).toMatchObject({ kind: "refused", reason: "tls-failed" });
  });

  it("of its own trust domain if it was told to serve another", async () => {
    const { server } = await handshake(web, api, { trustDomain: "elsewhere" });
    expect(server).toMatchObject({
      kind: "refused",
      reason: "wrong-trust-domain",
      message: expect.stringContaining(WEB) as string,
    });
  });

  it("that says nothing, or leaves, or is not wanted any more", async () => {
    const clock = new FakeClock();
    const silent = await wire.pair();
    const waiting = acceptTls(silent.server, api, { clock, timeoutMs: 100 });
    clock.advance(100);
    expect(await waiting).toMatchObject({ kind: "refused", reason: "timeout" });
    expect(silent.server.destroyed).toBe(true);

    const leaving = await wire.pair();
    const left = acceptTls(leaving.server, api);
    leaving.client.destroy();
    expect(await left).toMatchObject({ kind: "refused", reason: "closed" });
    expect(await acceptTls(leaving.server, api)).toMatchObject({ kind: "refused", reason: "closed" });

    const unwanted = await wire.pair();
    expect(await acceptTls(unwanted.server, api, { signal: AbortSignal.abort() })).toMatchObject({ reason: "aborted" });
    expect(unwanted.server.destroyed).toBe(true);
  });

  it("that speaks no TLS", async () => {
    const raw = await wire.pair();
    raw.client.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await acceptTls(raw.server, api)).toMatchObject({ kind: "refused", reason: "tls-failed" });
  });
});

describe("a client refuses a server", () => {
  const name = (text: string): Deviation => ({ names: [[NAME_TAG.URI, text]] });

  it("that is somebody else, and sends it nothing", async () => {
    const files = await deviantCertificate(ca.authority.material, name(API));
    expect(await meetServer(files)).toMatchObject({ kind: "refused", reason: "unexpected-identity" });
    expect(await meetServer(files, [])).toMatchObject({ kind: "refused", reason: "unexpected-identity" });
  });

  it("that is somebody else even where the caller only uses the options", async () => {
    const raw = await wire.pair();
    const accepted = acceptTls(raw.server, api);
    const socket = connect({ ...clientTlsOptions(web, { expectedIds: [WEB] }), socket: raw.client });
    const [error] = (await once(socket, "error")) as [Error];
    expect(error).toMatchObject({ code: "TLS_PEER_REFUSED", details: { reason: "unexpected-identity" } });
    await accepted;
  });

  test.each<[string, Deviation, string]>([
    ["that has expired", { ...name(WEB), notBeforeMs: 0, notAfterMs: 1000 }, "expired"],
    ["with a NUL in its URI", name(`${WEB}\0`), "invalid-certificate"],
    [
      "with two URIs",
      {
        names: [
          [NAME_TAG.URI, WEB],
          [NAME_TAG.URI, API],
        ],
      },
      "invalid-certificate",
    ],
    ["whose certificate is for clients only", { ...name(WEB), purposes: [OID.CLIENT_AUTH] }, "untrusted"],
  ])("%s", async (_what, deviation, reason) => {
    const files = await deviantCertificate(ca.authority.material, deviation);
    expect(await meetServer(files)).toMatchObject({ kind: "refused", reason });
  });

  it("of an unknown root", async () => {
    const { authority } = await createTestAuthority();
    expect(await meetServer(await deviantCertificate(authority.material, name(WEB)))).toMatchObject({
      kind: "refused",
      reason: "untrusted",
    });
  });

  it("whose certificate is good for any purpose: no, that one it takes", async () => {
    const files = await deviantCertificate(ca.authority.material, { ...name(WEB), purposes: [] });
    expect(await meetServer(files)).toMatchObject({ kind: "established", peer: { id: WEB } });
  });

  it("that never answers", async () => {
    const clock = new FakeClock();
    const raw = await wire.pair();
    const waiting = connectTls(raw.client, web, { expectedIds: [API], clock, timeoutMs: 100 });
    clock.advance(100);
    expect(await waiting).toMatchObject({ kind: "refused", reason: "timeout" });
    expect(raw.client.destroyed).toBe(true);
  });

  it("over a stream that breaks", async () => {
    const broken = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done(new Error("no carrier")) });
    broken.on("error", () => {});
    expect(await connectTls(broken, web, { expectedIds: [API] })).toMatchObject({ kind: "refused" });
  });
});

describe("verifyClient and verifyServer", () => {
  it("judge sockets of tls.createServer and tls.connect with our options", async () => {
    const server = createServer(serverTlsOptions(api));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const client = connect({ ...clientTlsOptions(web, { expectedIds: [API] }), port, host: "127.0.0.1" });
    const [[socket]] = (await Promise.all([once(server, "secureConnection"), once(client, "secureConnect")])) as [
      [TLSSocket],
      unknown,
    ];
    expect(verifyClient(socket, { trustDomain: "cluster.local" })).toMatchObject({
      kind: "verified",
      peer: { id: WEB },
    });
    expect(verifyServer(client, { expectedIds: [API] })).toMatchObject({ kind: "verified", peer: { id: API } });
    expect(verifyServer(client, { expectedIds: [WEB] })).toMatchObject({ reason: "unexpected-identity" });
    client.destroy();
    server.close();
    await once(server, "close");
  });

  it("never take a chain that nobody checked", async () => {
    const { authority } = await createTestAuthority();
    const stranger = await deviantCertificate(authority.material, { names: [[NAME_TAG.URI, WEB]] });
    const server = createServer({ ...serverTlsOptions(api), rejectUnauthorized: false });
    const accepted = once(server, "secureConnection") as Promise<[TLSSocket]>;
    const raw = await wire.pair();
    server.emit("connection", raw.server);
    const client = connect({
      ...stranger,
      ca: ca.authority.rootsPem,
      ALPNProtocols: ["h2"],
      socket: raw.client,
      checkServerIdentity: () => undefined,
    });
    client.on("error", () => {});
    const [socket] = await accepted;
    expect(verifyClient(socket, { trustDomain: "cluster.local" })).toMatchObject({
      kind: "refused",
      reason: "untrusted",
    });
  });
});

describe("revocation", () => {
  it("refuses a revoked peer on both sides, and gives the path to check again later", async () => {
    const authority = await createTestAuthority();
    const [one, other] = await Promise.all([authority.svid(WEB), authority.svid(API)]);
    const revocation = new Lists();
    const before = await handshake(one, other, { revocation });
    const { path } = established(before.server).peer;
    expect(path?.map(({ serialNumber }) => serialNumber)).toEqual([
      one.certificateChain[0].serialNumber,
      authority.authority.certificate.serialNumber,
    ]);

    authority.authority.revoke(one.certificateChain[0]);
    revocation.current = RevocationSet.parse(await authority.authority.crl(), "x");
    expect(revocation.current.findRevoked(path ?? [])).toBe(path?.[0]);
    const after = await handshake(one, other, { revocation });
    expect(after.server).toMatchObject({
      kind: "refused",
      reason: "revoked",
      message: expect.stringContaining(WEB) as string,
    });
    const backwards = await handshake(other, one, { revocation });
    expect(backwards.client).toMatchObject({ kind: "refused", reason: "revoked" });
    const neither = await handshake(other, await authority.svid(API), { revocation });
    expect(neither.server).toMatchObject({ kind: "established" });
  });

  it("refuses everybody below a revoked intermediate", async () => {
    const root = await createTestAuthority();
    const { material } = root.authority;
    const below = await createTestAuthority({
      material: await createIntermediate(material, "i", { keyType: "ecdsa-p256" }),
    });
    const [one, other] = await Promise.all([below.svid(WEB), below.svid(API)]);
    root.authority.revoke(below.authority.certificate);
    const revocation = new Lists();
    revocation.current = RevocationSet.parse(await root.authority.crl(), "x");
    const below1 = await wire.pair();
    const [, server] = await Promise.all([
      connectTls(below1.client, one, { expectedIds: [API] }),
      acceptTls(below1.server, other, { revocation }),
    ]);
    expect(server).toMatchObject({
      reason: "revoked",
      message: expect.stringContaining("an authority above") as string,
    });
    const below2 = await wire.pair();
    const [client] = await Promise.all([
      connectTls(below2.client, one, { expectedIds: [API], revocation }),
      acceptTls(below2.server, other),
    ]);
    expect(client).toMatchObject({
      reason: "revoked",
      message: expect.stringContaining("an authority above") as string,
    });
  });
});

describe("rotation", () => {
  it("leaves connections alone, and new ones use the new certificate", async () => {
    const before = await handshake(web, api);
    const [renewedWeb, renewedApi] = await Promise.all([ca.svid(WEB), ca.svid(API)]);
    const after = await handshake(renewedWeb, renewedApi);
    expect(established(after.server).peer.certificate.equals(renewedWeb.certificateChain[0])).toBe(true);
    expect(established(after.client).peer.certificate.equals(renewedApi.certificateChain[0])).toBe(true);
    await speak(established(before.client).socket, established(before.server).socket, "still here");
  });

  it("of a listening server swaps its context in place", async () => {
    const server = createServer(serverTlsOptions(api));
    server.on("secureConnection", (socket) => socket.on("data", (chunk) => socket.write(chunk)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const dial = async (): Promise<TLSSocket> => {
      const socket = connect({ ...clientTlsOptions(web, { expectedIds: [API] }), port, host: "127.0.0.1" });
      await once(socket, "secureConnect");
      return socket;
    };
    const serialOf = (socket: TLSSocket): string =>
      BigInt(`0x${socket.getPeerX509Certificate()?.serialNumber ?? "0"}`).toString();
    const old = await dial();
    const renewed = await ca.svid(API);
    server.setSecureContext(serverTlsOptions(renewed));
    const young = await dial();
    expect(serialOf(old)).toBe(api.certificateChain[0].serialNumber);
    expect(serialOf(young)).toBe(renewed.certificateChain[0].serialNumber);
    for (const socket of [old, young]) {
      socket.write("echo");
      await once(socket, "data");
      socket.destroy();
    }
    server.close();
    await once(server, "close");
  });

  it("of the root breaks nothing while both roots are trusted", async () => {
    const next = await createRoot("cluster.local", { keyType: "ecdsa-p256" });
    const old = ca.authority.material;
    const steps = [old, withRoots(old, next.rootsPem), withRoots(next, old.rootsPem), next];
    const svids = await Promise.all(
      steps.map(async (material) => {
        const authority = await createTestAuthority({ material });
        return { client: await authority.svid(WEB), server: await authority.svid(API) };
      }),
    );
    const outcome = async (from: number, to: number): Promise<string> => {
      const { client, server } = await handshake(
        (svids[from] as { client: Svid }).client,
        (svids[to] as { server: Svid }).server,
      );
      return `${client.kind}, ${server.kind}`;
    };
    for (const [from, to] of [
      [0, 1],
      [1, 0],
      [1, 2],
      [2, 1],
      [2, 3],
      [3, 2],
    ] as const) {
      expect(await outcome(from, to)).toBe("established, established");
    }
    expect(await outcome(0, 3)).toContain("refused");
  });
});

describe("policies", () => {
  it("pqc uses the post-quantum hybrid and nothing else", async () => {
    const policy = createTlsPolicy({ compliance: "pqc" });
    const raw = await wire.pair();
    const [client, server] = await Promise.all([
      connectTls(raw.client, web, { expectedIds: [API], policy }),
      acceptTls(raw.server, api, { policy }),
    ]);
    expect(established(server).socket.getProtocol()).toBe("TLSv1.3");
    expect(established(client).peer.id).toBe(API);
    const classic = await wire.pair();
    const stranger = await deviantCertificate(ca.authority.material, {});
    connect({ ...stranger, ecdhCurve: "X25519", socket: classic.client }).on("error", () => {});
    expect(await acceptTls(classic.server, api, { policy })).toMatchObject({ kind: "refused", reason: "tls-failed" });
  });

  it("with TLS 1.2 lets older peers in, with AES-GCM", async () => {
    const policy = createTlsPolicy({ isTls12Enabled: true });
    const raw = await wire.pair();
    const files = await deviantCertificate(ca.authority.material, { names: [[NAME_TAG.URI, WEB]] });
    const old = connect({
      ...files,
      maxVersion: "TLSv1.2",
      ALPNProtocols: ["h2"],
      socket: raw.client,
      checkServerIdentity: () => undefined,
    });
    old.on("error", () => {});
    const { socket, peer } = established(await acceptTls(raw.server, api, { policy }));
    expect(socket.getProtocol()).toBe("TLSv1.2");
    expect(socket.getCipher().name).toBe("ECDHE-ECDSA-AES128-GCM-SHA256");
    expect(peer.id).toBe(WEB);
  });
});
