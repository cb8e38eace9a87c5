// SPDX-License-Identifier: Apache-2.0
import { constants } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { Svid } from "../svid/svid.ts";
import { privateKeyPem } from "../x509/keys.ts";
import { defaultTlsPolicy, type TlsPolicy } from "./policy.ts";

/**
 * The certificates sent in a handshake. With none but the leaf, OpenSSL looks in the trust store for the leaf's issuers in each
 * handshake, checks their signatures (a tenth of the handshake's time) and sends the root too. It stops doing so when there is a second
 * certificate; the leaf itself is one that every peer has to ignore there (RFC 8446 4.4.2: be prepared for extraneous certificates).
 */
function presentedChain({ certificateChain: [leaf, ...intermediates] }: Svid): string {
  return [leaf, ...(intermediates.length > 0 ? intermediates : [leaf])].map(({ pem }) => pem).join("");
}

/** Everything about a context: what it presents, whom it trusts, what it speaks. For `tls.createServer` and `setSecureContext`. */
export function secureContextOptions(svid: Svid, policy: TlsPolicy = defaultTlsPolicy()): SecureContextOptions {
  return {
    cert: presentedChain(svid),
    key: privateKeyPem(svid.privateKey),
    ca: svid.trustBundle.roots.map(({ pem }) => pem),
    minVersion: policy.minVersion,
    maxVersion: "TLSv1.3",
    ciphers: policy.cipherSuites,
    ecdhCurve: policy.groups,
    honorCipherOrder: true,
    // No tickets, no resumption: a session that goes on would outlive the revocation or rotation of its certificates.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

const contexts = new WeakMap<Svid, WeakMap<TlsPolicy, SecureContext>>();

/**
 * The context of an SVID, built once (half a millisecond) and kept as long as the SVID: a rotated SVID is another object and
 * gets another context, while connections made with the old one go on.
 */
export function secureContextFor(svid: Svid, policy: TlsPolicy = defaultTlsPolicy()): SecureContext {
  let byPolicy = contexts.get(svid);
  if (byPolicy === undefined) contexts.set(svid, (byPolicy = new WeakMap()));
  let context = byPolicy.get(policy);
  if (context === undefined) byPolicy.set(policy, (context = createSecureContext(secureContextOptions(svid, policy))));
  return context;
}
