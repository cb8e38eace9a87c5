// SPDX-License-Identifier: Apache-2.0
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { acceptTls, connectTls, type HandshakeOutcome, type Svid } from "@ambientmesh/spiffe";
import { createTestAuthority, type TestAuthority } from "@ambientmesh/testkit";
import {
  HbonePool,
  HboneServer,
  IoBuffers,
  openHboneConnection,
  type ConnectOutcome,
  type ConnectRequest,
  type HboneConnection,
  type HboneConnectionOptions,
  type HbonePoolOptions,
  type HboneServerOptions,
  type TunnelStream,
} from "../../src/index.ts";

export const CLIENT_ID = "spiffe://cluster.local/ns/test/sa/client";
export const SERVER_ID = "spiffe://cluster.local/ns/test/sa/server";

/** One set for everything in a process, as the programs have it. */
export const buffers = new IoBuffers();

let shared: Promise<{ authority: TestAuthority; client: Svid; server: Svid }> | undefined;

/** SVIDs of a client and a server that trust each other. */
export function identities(): Promise<{ authority: TestAuthority; client: Svid; server: Svid }> {
  shared ??= createTestAuthority().then(async (authority) => ({
    authority,
    client: await authority.svid(CLIENT_ID),
    server: await authority.svid(SERVER_ID),
  }));
  return shared;
}

/** An echoing, sinking or any other server on a free port of loopback. */
export async function listen(
  onSocket: (socket: Socket) => void,
  options: object = {},
): Promise<Server & { port: number }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, ...options }, onSocket);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}

export async function dial(port: number, options: object = {}): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true, ...options });
  await once(socket, "connect");
  return socket;
}

export interface TestServer extends AsyncDisposable {
  readonly hbone: HboneServer;
  readonly port: number;
}

/** An HBONE server on loopback that presents {@link SERVER_ID}. */
export async function startServer(
  onConnect: (request: ConnectRequest) => void | Promise<void>,
  options: HboneServerOptions & { readonly svid?: Svid; readonly trustDomain?: string } = {},
): Promise<TestServer> {
  const { svid = (await identities()).server, trustDomain, ...limits } = options;
  const hbone = new HboneServer<undefined>(
    {
      secure: (raw, _context, handshake) =>
        acceptTls(raw, svid, { ...handshake, ...(trustDomain !== undefined && { trustDomain }) }),
      onConnect,
      buffers,
    },
    limits,
  );
  const listener = await listen((socket) => hbone.handle(socket, undefined));
  return {
    hbone,
    port: listener.port,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await hbone[Symbol.asyncDispose]();
    },
  };
}

/** Expects the server to be {@link SERVER_ID}. */
export function secureAs(svid: Svid, expectedIds: readonly string[] = [SERVER_ID]) {
  return (raw: Duplex, limits: { timeoutMs: number; signal: AbortSignal }): Promise<HandshakeOutcome> =>
    connectTls(raw, svid, { expectedIds, ...limits });
}

export async function openConnection(
  port: number,
  options: HboneConnectionOptions = {},
): Promise<HboneConnection & AsyncDisposable> {
  const { client } = await identities();
  const connection = await openHboneConnection(await dial(port), { secure: secureAs(client) }, options);
  return Object.assign(connection, {
    [Symbol.asyncDispose]: async () =>
      connection.abort(Object.assign(new Error("test is over"), { name: "MeshError", code: "X" }) as never),
  });
}

export async function startPool(options: HbonePoolOptions = {}): Promise<HbonePool> {
  const { client } = await identities();
  return new HbonePool(
    {
      dial: ({ address }) => dial(Number(address.split(":")[1])),
      secure: (raw, { expected }, limits) => connectTls(raw, client, { expectedIds: expected, ...limits }),
      buffers,
    },
    options,
  );
}

export const targetOf = (port: number) => ({ source: CLIENT_ID, expected: [SERVER_ID], address: `127.0.0.1:${port}` });

/** The tunnel of an answer that must be 2xx. */
export function opened(outcome: ConnectOutcome): TunnelStream {
  if (outcome.kind !== "open") throw new Error(`refused with ${outcome.status}`);
  return outcome.tunnel;
}

export const md5 = (octets: Buffer): string => createHash("md5").update(octets).digest("hex");

/** Reads a stream to its end. */
export async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(stream, "end");
  return Buffer.concat(chunks);
}

/** Hashes what a stream reads, without keeping it. */
export async function hashOf(stream: Duplex): Promise<{ md5: string; bytes: number }> {
  const hash = createHash("md5");
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    hash.update(chunk);
    bytes += chunk.length;
  });
  await once(stream, "end");
  return { md5: hash.digest("hex"), bytes };
}

/** Writes random octets in odd pieces, honouring back-pressure, then ends; gives their hash. */
export async function sendRandom(stream: Duplex, bytes: number): Promise<string> {
  const hash = createHash("md5");
  const pool = randomBytes(1 << 20);
  for (let sent = 0, piece = 1; sent < bytes; piece = (piece * 7919) % 300_007) {
    const start = piece % 1000;
    const size = Math.min(piece, bytes - sent, pool.length - start);
    const chunk = Buffer.from(pool.subarray(start, start + size));
    hash.update(chunk);
    sent += size;
    if (!stream.write(chunk)) await once(stream, "drain");
  }
  stream.end();
  return hash.digest("hex");
}
