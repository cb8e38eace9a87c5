// SPDX-License-Identifier: Apache-2.0
/** One proxy of a pair, run as a child of run.ts, which measures its CPU. */
import {
  connect as connectHttp2,
  constants,
  createSecureServer,
  type ClientHttp2Session,
  type Http2Stream,
} from "node:http2";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import {
  acceptTls,
  clientTlsOptions,
  connectTls,
  createSvid,
  parseCertificates,
  parsePrivateKey,
  parseTrustBundle,
  serverTlsOptions,
  type Svid,
} from "@ambientmesh/spiffe";
import { HbonePool, HboneServer, IoBuffers, joinTunnel } from "../src/index.ts";

/** What run.ts sends first. */
export interface ProxySetup {
  readonly engine: "ours" | "node:http2";
  readonly role: "client" | "server";
  readonly chainPem: string;
  readonly keyPem: string;
  readonly rootsPem: string;
  readonly peerId: string;
  /** Client: the server proxy's port, and the port of the app behind it. */
  readonly hbonePort: number;
  readonly appPort: number;
}

const MIB = 1024 * 1024;
const settings = { initialWindowSize: 4 * MIB, maxFrameSize: MIB, maxConcurrentStreams: 1000, enablePush: false };

function svidOf(setup: ProxySetup): Svid {
  return createSvid({
    certificates: parseCertificates(setup.chainPem, "the chain"),
    privateKey: parsePrivateKey(setup.keyPem, "the key"),
    trustBundle: parseTrustBundle(setup.rootsPem),
  });
}

const listener = (onSocket: (socket: Socket) => void): Server =>
  createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, onSocket);

function oursAsClient(setup: ProxySetup): Server {
  const svid = svidOf(setup);
  const buffers = new IoBuffers();
  const pool = new HbonePool({
    dial: ({ address }) => connected(Number(address.split(":")[1])),
    secure: (raw, { expected }, limits) => connectTls(raw, svid, { expectedIds: expected, ...limits }),
    buffers,
  });
  const target = { source: svid.id, expected: [setup.peerId], address: `127.0.0.1:${setup.hbonePort}` };
  return listener((socket) => {
    socket.on("error", () => socket.destroy());
    pool
      .connect(target, { authority: `127.0.0.1:${setup.appPort}`, headers: { baggage: "k8s.cluster.name=bench" } })
      .then(
        (outcome) => {
          if (outcome.kind === "open" && !socket.destroyed) joinTunnel(socket, outcome.tunnel, buffers);
          else socket.destroy();
        },
        () => socket.destroy(),
      );
  });
}

function oursAsServer(setup: ProxySetup): Server {
  const svid = svidOf(setup);
  const buffers = new IoBuffers();
  const server = new HboneServer({
    secure: (raw, _context, limits) => acceptTls(raw, svid, limits),
    onConnect: async (request) => {
      const app = await connected(Number(request.authority.split(":")[1]));
      const tunnel = request.accept();
      if (tunnel) joinTunnel(app, tunnel, buffers);
      else app.destroy();
    },
    buffers,
  });
  return createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.handle(socket, undefined));
}

function http2AsClient(setup: ProxySetup): Server {
  const svid = svidOf(setup);
  const sessions: { readonly session: ClientHttp2Session; streams: number }[] = [];
  const authority = `127.0.0.1:${setup.appPort}`;
  const sessionWithRoom = (): (typeof sessions)[number] => {
    const found = sessions.find(({ streams }) => streams < 100);
    if (found) return found;
    const tls = clientTlsOptions(svid, { expectedIds: [setup.peerId] });
    const session = connectHttp2(`https://127.0.0.1:${setup.hbonePort}`, { ...tls, settings });
    session.once("connect", () => session.setLocalWindowSize(16 * MIB));
    const pooled = { session, streams: 0 };
    sessions.push(pooled);
    return pooled;
  };
  return listener((socket) => {
    const pooled = sessionWithRoom();
    pooled.streams++;
    const stream = pooled.session.request({ ":method": "CONNECT", ":authority": authority }, { endStream: false });
    stream.on("response", () => splice(socket, stream));
    stream.on("close", () => pooled.streams--);
  });
}

function http2AsServer(setup: ProxySetup): Server {
  const server = createSecureServer({ ...serverTlsOptions(svidOf(setup)), settings });
  server.on("session", (session) => session.setLocalWindowSize(16 * MIB));
  server.on("stream", (stream, headers) => {
    const app = connect({
      port: Number(String(headers[":authority"]).split(":")[1]),
      noDelay: true,
      allowHalfOpen: true,
    });
    app.on("connect", () => {
      stream.respond({ ":status": 200 });
      splice(app, stream);
    });
    app.on("error", () => stream.close());
  });
  return server;
}

function splice(socket: Socket, stream: Http2Stream): void {
  socket.pipe(stream).pipe(socket);
  stream.on("error", () => socket.destroy());
  stream.on("close", () => socket.destroySoon());
  socket.on("error", () => stream.close(constants.NGHTTP2_CONNECT_ERROR));
  socket.on("close", () => stream.close());
}

function connected(port: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
  socket.once("error", reject);
  socket.once("connect", () => {
    socket.off("error", reject);
    socket.pause();
    resolve(socket);
  });
  return promise;
}

const makers = {
  ours: { client: oursAsClient, server: oursAsServer },
  "node:http2": { client: http2AsClient, server: http2AsServer },
};

process.once("message", (setup: ProxySetup) => {
  const server = makers[setup.engine][setup.role](setup);
  server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuSeconds: (user + system) / 1e6, rss: process.memoryUsage.rss() });
  });
  process.once("disconnect", () => process.exit());
});
