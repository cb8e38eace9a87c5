// SPDX-License-Identifier: Apache-2.0
import { connect as http2Connect } from "node:http2";
import type { Socket } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { openHboneConnection, type ConnectOutcome, type HboneConnection } from "@ambientmesh/hbone";
import { clientTlsOptions, connectTls, type Svid } from "@ambientmesh/spiffe";
import { idOf, type Mesh } from "./mesh.ts";

/** A peer of a ztunnel that says what it likes, from a pod outside the mesh. */
export class Peer implements Disposable {
  readonly #mesh: Mesh;
  readonly #from: string;
  readonly svid: Svid;
  readonly #open = new Set<{ destroy(): void }>();

  constructor(mesh: Mesh, from: string, svid: Svid) {
    this.#mesh = mesh;
    this.#from = from;
    this.svid = svid;
  }

  /** A TCP connection to a pod's HBONE port. */
  async dial(pod: string): Promise<Socket> {
    const socket = await this.#mesh.connect(this.#from, this.#mesh.pod(pod).address, 15_008);
    this.#open.add(socket);
    return socket;
  }

  /** An HBONE connection to a pod; the server may be anybody of the given names. */
  async tunnelTo(pod: string): Promise<HboneConnection> {
    const expectedIds = [idOf(pod)];
    return openHboneConnection(await this.dial(pod), {
      secure: (raw, limits) => connectTls(raw, this.svid, { ...limits, expectedIds }),
    });
  }

  /** One CONNECT on a connection of its own. */
  async connect(
    pod: string,
    authority: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ConnectOutcome> {
    return ask(await this.tunnelTo(pod), authority, headers);
  }

  /** The status of a request that is no CONNECT. */
  async request(pod: string, method: string): Promise<number> {
    const raw = await this.dial(pod);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const session = http2Connect("http://pod", {
      createConnection: () => tlsConnect({ ...clientTlsOptions(this.svid, { expectedIds: [idOf(pod)] }), socket: raw }),
    });
    session.on("error", reject);
    const stream = session.request({ ":method": method, ":path": "/" });
    stream.on("response", (headers) => resolve(Number(headers[":status"])));
    stream.on("error", () => stream.destroy());
    stream.end();
    try {
      return await promise;
    } finally {
      session.destroy();
    }
  }

  [Symbol.dispose](): void {
    for (const socket of this.#open) socket.destroy();
  }
}

/** A peer with a certificate of a service account of namespace default. */
export async function peerAs(mesh: Mesh, serviceAccount: string, from = "plain-peer"): Promise<Peer> {
  return new Peer(mesh, from, await mesh.control.authority.svid(idOf(serviceAccount)));
}

/** One CONNECT on a connection; what breaks its tunnel later is not of interest. */
export async function ask(
  connection: HboneConnection,
  authority: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<ConnectOutcome> {
  const outcome = await connection.connect({ authority, headers });
  if (outcome.kind === "open") outcome.tunnel.on("error", () => outcome.tunnel.destroy());
  return outcome;
}
