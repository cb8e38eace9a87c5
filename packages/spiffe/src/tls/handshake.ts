// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import { messageOf, systemClock, type Clock } from "@ambientmesh/core";
import { spiffeErrors } from "../errors.ts";
import { trustDomainOf } from "../id/spiffe-id.ts";
import type { RevocationSource } from "../revocation/revocation-set.ts";
import type { Svid } from "../svid/svid.ts";
import { ALPN_PROTOCOLS, clientTlsOptions, refusalError, serverTlsOptions } from "./options.ts";
import { defaultTlsPolicy, type TlsPolicy } from "./policy.ts";
import { chooseProtocolAndKeepChain } from "./presented.ts";
import {
  refusedChain,
  judgeServer,
  verifyClient,
  type PeerRefusalReason,
  type PeerVerdict,
  type VerifiedPeer,
} from "./verify.ts";

/** Why there is no connection: what {@link PeerRefusalReason} says, or TLS itself failed, or there was no time, or a side left. */
export type HandshakeRefusalReason = PeerRefusalReason | "tls-failed" | "timeout" | "closed" | "aborted";

/** A connection with a peer who is known, or why there is none. */
export type HandshakeOutcome =
  | { readonly kind: "established"; readonly socket: TLSSocket; readonly peer: VerifiedPeer }
  | { readonly kind: "refused"; readonly reason: HandshakeRefusalReason; readonly message: string };

/** What both sides of a handshake may be told. */
export interface HandshakeOptions {
  /** Default {@link defaultTlsPolicy}. */
  readonly policy?: TlsPolicy;
  /** Refuses peers whose chain was revoked. */
  readonly revocation?: RevocationSource | undefined;
  /** Default 10 s. Without a limit a silent peer holds the socket for ever. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT_MS = 10_000;

type Refusal = Extract<HandshakeOutcome, { kind: "refused" }>;
/** The TLS socket after the handshake, or why there is none. */
type Settled = TLSSocket | Refusal;

const refusal = (reason: HandshakeRefusalReason, message: string): Refusal => ({ kind: "refused", reason, message });

/** Runs one handshake on `raw` and gives up when the time is over, the caller withdraws or the socket closes; then `raw` is destroyed. */
async function handshake(
  raw: Duplex,
  options: HandshakeOptions,
  begin: (settle: (settled: Settled) => void) => void,
  judge: (socket: TLSSocket) => PeerVerdict,
): Promise<HandshakeOutcome> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, clock = systemClock, signal } = options;
  const { promise, resolve: settle } = Promise.withResolvers<Settled>();
  // The TLS socket closes a little later and knows better why.
  const onClose = (): void => {
    setImmediate(() => settle(refusal("closed", "the other side closed the connection during the handshake")));
  };
  const onAbort = (): void => settle(refusal("aborted", "the handshake was given up"));
  raw.once("close", onClose);
  signal?.addEventListener("abort", onAbort, { once: true });
  if (raw.destroyed) onClose();
  else if (signal?.aborted) onAbort();
  else begin(settle);
  using _timer = clock.setTimer(timeoutMs, () =>
    settle(refusal("timeout", `the handshake took longer than ${timeoutMs} ms`)),
  );
  const settled = await promise;
  raw.off("close", onClose);
  signal?.removeEventListener("abort", onAbort);
  const outcome = "kind" in settled ? settled : judge(settled);
  if (outcome.kind === "verified") return { kind: "established", socket: settled as TLSSocket, peer: outcome.peer };
  if (!("kind" in settled)) settled.destroy();
  raw.destroy();
  return outcome;
}

const revocationCheck = (svid: Svid, { revocation }: HandshakeOptions) =>
  revocation && { revocation: { source: revocation, trustBundle: svid.trustBundle } };

/** Why a failed handshake failed. OpenSSL's verdict on the chain is more telling than the error that follows from it. */
function failure(error: Error, socket: TLSSocket): Refusal {
  const reason = spiffeErrors.is(error, "TLS_PEER_REFUSED") ? error.details["reason"] : undefined;
  if (reason !== undefined) return refusal(reason as PeerRefusalReason, error.message);
  const code = socket.authorizationError as unknown;
  if (typeof code === "string") return refusedChain(code) as Refusal;
  const { code: errorCode = "" } = error as NodeJS.ErrnoException;
  if (errorCode === "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE")
    return refusal("no-certificate", "the client presented no certificate");
  if (errorCode === "ECONNRESET") return refusal("closed", "the other side closed the connection during the handshake");
  return refusal("tls-failed", `the TLS handshake failed: ${messageOf(error).trim()}`);
}

/**
 * Node judges client chains only for sockets that a `tls.Server` made, so each SVID has one that never listens and is handed
 * its connections. Its context is built once, and it goes when the SVID goes.
 */
class Acceptor {
  readonly #server: Server;
  readonly #chooseProtocol = chooseProtocolAndKeepChain(ALPN_PROTOCOLS);

  constructor(svid: Svid, policy: TlsPolicy) {
    this.#server = createServer(serverTlsOptions(svid, { policy }));
  }

  /**
   * The server tells how a handshake ended by an event that does not say whose it was. So each connection is handed to a stand-in,
   * which is the server in everything but that its events are about this one connection.
   */
  accept(raw: Duplex, settle: (settled: Settled) => void, keepsChain: boolean): void {
    const emit = (event: string, ...about: readonly unknown[]): boolean => {
      if (event === "secureConnection") settle(about[0] as TLSSocket);
      else if (event === "tlsClientError") settle(failure(about[0] as Error, about[1] as TLSSocket));
      else return false;
      return true;
    };
    const protocols = { ALPNProtocols: { value: undefined }, ALPNCallback: { value: this.#chooseProtocol } };
    const standIn: unknown = Object.create(this.#server, { emit: { value: emit }, ...(keepsChain && protocols) });
    for (const listener of this.#server.listeners("connection")) Reflect.apply(listener, standIn, [raw]);
  }
}

const acceptors = new WeakMap<Svid, WeakMap<TlsPolicy, Acceptor>>();

function acceptorFor(svid: Svid, policy: TlsPolicy): Acceptor {
  let byPolicy = acceptors.get(svid);
  if (byPolicy === undefined) acceptors.set(svid, (byPolicy = new WeakMap()));
  let acceptor = byPolicy.get(policy);
  if (acceptor === undefined) byPolicy.set(policy, (acceptor = new Acceptor(svid, policy)));
  return acceptor;
}

/**
 * Server side of mutual TLS on an accepted connection, presenting `svid`. Never rejects: whoever is not a verified member of the
 * trust domain (default: the SVID's own) is refused with a reason and cut off. The caller owns the socket of an established connection
 * and adds its listeners before it awaits anything else.
 */
export async function acceptTls(
  raw: Duplex,
  svid: Svid,
  options: HandshakeOptions & { readonly trustDomain?: string } = {},
): Promise<HandshakeOutcome> {
  const acceptor = acceptorFor(svid, options.policy ?? defaultTlsPolicy());
  const checks = { trustDomain: options.trustDomain ?? trustDomainOf(svid.id), ...revocationCheck(svid, options) };
  return handshake(
    raw,
    options,
    (settle) => acceptor.accept(raw, settle, options.revocation !== undefined),
    (socket) => verifyClient(socket, checks),
  );
}

/**
 * Client side of mutual TLS on a connected (or connecting) socket, presenting `svid`. Never rejects: a server that is none of
 * `expectedIds` is refused with a reason before anything was sent to it. The caller owns the socket of an established connection.
 */
export async function connectTls(
  raw: Duplex,
  svid: Svid,
  options: HandshakeOptions & { readonly expectedIds: readonly string[] },
): Promise<HandshakeOutcome> {
  const expectation = { expectedIds: options.expectedIds, ...revocationCheck(svid, options) };
  // Judged where Node shows the certificate anyway; showing it again would cost a tenth of a millisecond.
  let verdict: PeerVerdict | undefined;
  const begin = (settle: (settled: Settled) => void): void => {
    const socket = connect({
      ...clientTlsOptions(svid, { ...expectation, policy: options.policy ?? defaultTlsPolicy() }),
      socket: raw,
      checkServerIdentity: (_host, certificate) => refusalError((verdict = judgeServer(certificate, expectation))),
    });
    const onError = (error: Error): void => settle(failure(error, socket));
    socket.once("secureConnect", () => {
      socket.off("error", onError);
      settle(socket);
    });
    // Stays after a failure: what a socket says while it is torn down has been answered already.
    socket.on("error", onError);
  };
  return handshake(raw, options, begin, (socket) =>
    verdict !== undefined && socket.authorized ? verdict : refusedChain("it was not checked"),
  );
}
