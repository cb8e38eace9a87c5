// SPDX-License-Identifier: Apache-2.0
import type { ConnectionOptions, TlsOptions } from "node:tls";
import { spiffeErrors } from "../errors.ts";
import type { Svid } from "../svid/svid.ts";
import { secureContextFor, secureContextOptions } from "./contexts.ts";
import { defaultTlsPolicy, type TlsPolicy } from "./policy.ts";
import { judgeServer, type PeerVerdict, type ServerExpectation } from "./verify.ts";

/** The only protocol inside the mesh's TLS. */
export const ALPN_PROTOCOLS: readonly string[] = ["h2"];

/**
 * Options for `tls.createServer`; on rotation call `server.setSecureContext(serverTlsOptions(next))`, which leaves connections alone.
 * Clients must present a certificate that leads to the trust bundle. Check who it is with {@link verifyClient}, or use {@link acceptTls}.
 */
export function serverTlsOptions(svid: Svid, options: { readonly policy?: TlsPolicy } = {}): TlsOptions {
  return {
    ...secureContextOptions(svid, options.policy ?? defaultTlsPolicy()),
    requestCert: true,
    // Said here, because the environment (NODE_TLS_REJECT_UNAUTHORIZED) may change the default.
    rejectUnauthorized: true,
    ALPNProtocols: [...ALPN_PROTOCOLS],
  };
}

/**
 * Options for `tls.connect`: the SVID's cached context, no SNI, no resumption, ALPN h2. The connection fails before any byte can be
 * written unless the server's chain leads to the trust bundle and its SPIFFE id is one of `expectedIds`; its host name is not looked at.
 */
export function clientTlsOptions(
  svid: Svid,
  options: ServerExpectation & { readonly policy?: TlsPolicy },
): ConnectionOptions {
  return {
    secureContext: secureContextFor(svid, options.policy ?? defaultTlsPolicy()),
    rejectUnauthorized: true,
    ALPNProtocols: [...ALPN_PROTOCOLS],
    checkServerIdentity: (_host, certificate) => refusalError(judgeServer(certificate, options)),
  };
}

/** The error by which `checkServerIdentity` ends a connection; none for a verified peer. */
export function refusalError(verdict: PeerVerdict): Error | undefined {
  if (verdict.kind === "verified") return undefined;
  return spiffeErrors.create("TLS_PEER_REFUSED", verdict.message, { details: { reason: verdict.reason } });
}
