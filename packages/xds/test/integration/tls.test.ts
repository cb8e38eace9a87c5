// SPDX-License-Identifier: Apache-2.0
import { connect as tlsConnect } from "node:tls";
import type { AuthorityMaterial } from "@ambientmesh/ca";
import { isMeshError } from "@ambientmesh/core";
import { beforeAll, describe, expect, it } from "vitest";
import { DELTA_METHOD, GrpcTransport, fixedTls, type Authenticate, type ClientTls } from "../../src/index.ts";
import {
  RotatingTls,
  materialOf,
  newRoot,
  serverFiles,
  showing,
  trusting,
  workloadFiles,
} from "../support/certificates.ts";
import { SocketServer, socketClient } from "../support/sockets.ts";
import { TEXT, text, until } from "../support/texts.ts";

let root: AuthorityMaterial;
let otherRoot: AuthorityMaterial;

beforeAll(async () => {
  [root, otherRoot] = await Promise.all([newRoot(), newRoot()]);
});

/** The code with which a first attempt to connect fails, and its message. */
async function refusal(address: string, tls: ClientTls): Promise<string> {
  const transport = new GrpcTransport({ address, tls, connectTimeoutMs: 2000 });
  const call = await transport.open(DELTA_METHOD, new AbortController().signal);
  try {
    for await (const response of call) return `got ${response.nonce}`;
    return "ended";
  } catch (error) {
    return isMeshError(error) ? `${error.code} ${error.message}` : String(error);
  } finally {
    call.close();
  }
}

/** Serial number of the certificate that the server shows now. */
async function shownSerial(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = tlsConnect({ host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] }, () =>
    resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? ""),
  );
  socket.on("error", reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

describe("a TLS listener", () => {
  it("exchanges its certificate while connections stay open", async () => {
    const [first, second] = await Promise.all([serverFiles(root, "localhost"), serverFiles(otherRoot, "localhost")]);
    const tls = new RotatingTls(materialOf(first));
    await using server = await SocketServer.start({ listener: { tls } });
    server.cache.store(TEXT).set(text("a", "1"));
    server.cache.flush();
    await using early = socketClient(server.address, { tls: trusting(root) });
    await early.client.start();
    const before = await shownSerial(server.port);
    tls.rotate(materialOf(second));
    expect(await shownSerial(server.port)).not.toBe(before);
    await using late = socketClient(server.address, { tls: trusting(otherRoot) });
    await late.client.start();
    server.cache.store(TEXT).set(text("a", "2"));
    await until(() => early.owner.texts.get("a") === "2" && late.owner.texts.get("a") === "2");
    expect(early.metrics.values.size).toBe(2);
    expect(server.listener.connectionCount).toBe(2);
  });

  it("keeps the old certificate when the new one is not usable, and says so", async () => {
    const [first, second] = await Promise.all([serverFiles(root, "localhost"), serverFiles(root, "localhost")]);
    const tls = new RotatingTls(materialOf(first));
    await using server = await SocketServer.start({ listener: { tls } });
    const before = await shownSerial(server.port);
    tls.rotate({ key: first.key, certificates: second.cert });
    tls.rotate({ key: "nonsense", certificates: "nonsense" });
    expect(await shownSerial(server.port)).toBe(before);
    expect(server.log.events("error")).toEqual([
      "new TLS material is not usable, the old one stays",
      "new TLS material is not usable, the old one stays",
    ]);
  });

  it("stops following its source when it is disposed", async () => {
    const tls = new RotatingTls(materialOf(await serverFiles(root, "localhost")));
    await using server = await SocketServer.start({ listener: { tls } });
    expect(tls.followers).toBe(1);
    await server[Symbol.asyncDispose]();
    expect(tls.followers).toBe(0);
  });

  it("does not start with material that is not usable", async () => {
    const tls = fixedTls({ key: "nonsense", certificates: "nonsense" });
    await expect(SocketServer.start({ listener: { tls } })).rejects.toMatchObject({ code: "XDS_TLS_INVALID" });
  });

  it("accepts no TLS below its minimum", async () => {
    const tls = fixedTls(materialOf(await serverFiles(root, "localhost")));
    await using server = await SocketServer.start({ listener: { tls, minTlsVersion: "TLSv1.3" } });
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = tlsConnect(
      { host: "127.0.0.1", port: server.port, rejectUnauthorized: false, maxVersion: "TLSv1.2" },
      () => resolve("connected"),
    );
    socket.on("error", (error) => resolve(error.message));
    expect(await promise).toMatch(/alert protocol version/);
    socket.destroy();
  });
});

describe("a client", () => {
  it.each([
    ["the host's name", ["localhost"], {}],
    ["the alternative name", ["istiod.istio-system.svc"], { alternativeName: "istiod.istio-system.svc" }],
  ])("accepts a server with %s", async (_, names, more) => {
    const tls = fixedTls(materialOf(await serverFiles(root, ...names)));
    await using server = await SocketServer.start({ listener: { tls } });
    await using peer = socketClient(server.address, { tls: trusting(root, more) });
    await peer.client.start();
    expect(peer.client.isSynced).toBe(true);
  });

  it.each([
    ["a name that is neither", "other.example", { alternativeName: "istiod.istio-system.svc" }, /does not match/],
    ["no such alternative", "istiod.istio-system.svc", {}, /does not match/],
  ])("refuses a server with %s", async (_, name, more, reason) => {
    const tls = fixedTls(materialOf(await serverFiles(root, name)));
    await using server = await SocketServer.start({ listener: { tls } });
    const outcome = await refusal(server.address, trusting(root, more));
    expect(outcome).toMatch(/^XDS_CONNECT_FAILED/);
    expect(outcome).toMatch(reason);
  });

  it("refuses a server of another root, and takes it once its own root file changed", async () => {
    const tls = fixedTls(materialOf(await serverFiles(otherRoot, "localhost")));
    await using server = await SocketServer.start({ listener: { tls } });
    let roots = root.rootsPem;
    let reads = 0;
    const readRoots = (): Buffer => {
      reads++;
      return Buffer.from(roots);
    };
    await using peer = socketClient(server.address, { tls: { roots: readRoots } });
    const started = peer.client.start();
    await until(() => peer.metrics.value("istio_xds_connection_terminations_total", "ConnectionError") >= 2);
    roots = otherRoot.rootsPem;
    await started;
    expect(reads).toBeGreaterThanOrEqual(3);
  });

  it("keeps trying while its root file can't be read, with growing delays", async () => {
    await using server = await SocketServer.start();
    let isThere = false;
    const roots = (): Buffer => {
      if (!isThere) throw new Error("ENOENT: root-cert.pem");
      return Buffer.from(root.rootsPem);
    };
    await using peer = socketClient(server.address, { tls: { roots } });
    const abort = new AbortController();
    const started = peer.client.start(abort.signal).catch(() => "aborted");
    await until(() => peer.metrics.value("istio_xds_connection_terminations_total", "Error") >= 3);
    expect(peer.client.status().connection.lastEnd).toContain("ENOENT: root-cert.pem");
    isThere = true;
    abort.abort();
    expect(await started).toBe("aborted");
  });
});

describe("a client certificate", () => {
  const id = "spiffe://cluster.local/ns/istio-system/sa/ztunnel";
  const names: Authenticate<string> = ({ peerCertificate }) =>
    peerCertificate
      ? { outcome: "authenticated", identity: peerCertificate.subjectAltName ?? "" }
      : { outcome: "authenticated", identity: "nobody" };

  const start = async (): Promise<SocketServer> =>
    SocketServer.start({
      listener: { tls: fixedTls(materialOf(await serverFiles(root, "localhost"), [root.rootsPem])) },
      authenticate: names,
    });

  it("is what the authenticator gets", async () => {
    await using server = await start();
    await using peer = socketClient(server.address, {
      tls: trusting(root, showing(await workloadFiles(root, id))),
    });
    await peer.client.start();
    expect(server.server.clients()[0]?.client.identity).toBe(`URI:${id}`);
  });

  it("is optional", async () => {
    await using server = await start();
    await using peer = socketClient(server.address, { tls: trusting(root) });
    await peer.client.start();
    expect(server.server.clients()[0]?.client.identity).toBe("nobody");
  });

  it("of another root does not count as none: the connection is refused", async () => {
    await using server = await start();
    const tls = trusting(root, showing(await workloadFiles(otherRoot, id)));
    expect(await refusal(server.address, tls)).toMatch(/^XDS_(CONNECT_FAILED|STREAM_ENDED)/);
    await until(() => server.log.events("warn").includes("refusing a client certificate"));
    expect(server.server.clientCount).toBe(0);
  });

  it("is checked against the roots of the moment", async () => {
    const files = await serverFiles(root, "localhost");
    const tls = new RotatingTls(materialOf(files, [root.rootsPem]));
    await using server = await SocketServer.start({ listener: { tls }, authenticate: names });
    tls.rotate(materialOf(files, [root.rootsPem, otherRoot.rootsPem]));
    await using peer = socketClient(server.address, {
      tls: trusting(root, showing(await workloadFiles(otherRoot, id))),
    });
    await peer.client.start();
    expect(server.server.clients()[0]?.client.identity).toBe(`URI:${id}`);
  });
});
