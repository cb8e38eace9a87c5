// SPDX-License-Identifier: Apache-2.0
import type { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, PeerCertificate, TLSSocket } from "node:tls";

/** What a peer sent in its handshake. */
export interface Presented {
  /** DER. */
  readonly leaf: Uint8Array;
  /** DER of what came behind the leaf; there may be roots of ours among it. */
  readonly rest: () => Iterable<Uint8Array>;
}

/** More than any real chain has; bounds what a peer can make us parse. */
const MAX_REST = 16;

const presentedByClients = new WeakMap<TLSSocket, Presented>();

/**
 * What the client of an accepted connection sent. Showing it takes the issuers away from the connection (up to Node.js 24.21 and 26.8,
 * github.com/nodejs/node/issues/65579), so what was shown once is kept.
 */
export function presentedByClient(socket: TLSSocket): Presented | undefined {
  const known = presentedByClients.get(socket);
  const leaf = known === undefined ? socket.getPeerX509Certificate() : undefined;
  if (leaf === undefined) return known;
  const rest: X509Certificate[] = [];
  for (let next = leaf.issuerCertificate; next && rest.length < MAX_REST; next = next.issuerCertificate)
    rest.push(next);
  const presented: Presented = { leaf: leaf.raw, rest: () => rest.map(({ raw }) => raw) };
  presentedByClients.set(socket, presented);
  return presented;
}

/**
 * The choice of a server's protocol as `ALPNCallback`, which on its way looks at the client's chain before Node does: the same issue
 * makes Node throw the issuers away itself at the end of each handshake. Node calls it as a method of the new socket.
 */
export function chooseProtocolAndKeepChain(
  supported: readonly string[],
): (offer: { protocols: string[] }) => string | undefined {
  return function choose(this: unknown, { protocols }): string | undefined {
    const socket = this as TLSSocket;
    socket.prependOnceListener("secure", () => presentedByClient(socket));
    return supported.find((protocol) => protocols.includes(protocol));
  };
}

/** What the server sent, from the object that Node hands to `checkServerIdentity`. A root is its own issuer there. */
export function presentedByServer(leaf: PeerCertificate): Presented {
  return {
    leaf: leaf.raw,
    *rest() {
      let { issuerCertificate: next } = leaf as Partial<DetailedPeerCertificate>;
      for (let at = 0; next !== undefined && at < MAX_REST; at++) {
        yield next.raw;
        const { issuerCertificate } = next as Partial<DetailedPeerCertificate>;
        next = issuerCertificate === next ? undefined : issuerCertificate;
      }
    },
  };
}
