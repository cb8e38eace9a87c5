// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

const codes = {
  SPIFFE_ID_INVALID: "A SPIFFE id or trust domain does not follow spiffe://<trust domain>/ns/<namespace>/sa/<account>.",
  PEM_INVALID: "A text is not PEM: a block is open, empty, too large, or not base64.",
  DER_INVALID: "Bytes are not DER (X.690): a tag, length or value is malformed, or something is left over.",
  CERTIFICATE_INVALID:
    "A certificate can't be used: it is malformed, too large, or holds a name that is not plain text.",
  CSR_INVALID: "A certificate request is malformed, too large, uses a weak key, or is not signed by its own key.",
  CRL_INVALID: "A certificate revocation list is malformed, too large, or of a kind that is not supported.",
  KEY_INVALID: "A private key can't be read, or does not belong to the certificate beside it.",
  KEY_UNSUPPORTED: "A key or signature is of an algorithm that this library or this Node.js does not support.",
  SVID_INVALID: "A certificate breaks a rule of X.509-SVID, or an issued chain is not what was asked for.",
  TRUST_BUNDLE_INVALID: "A trust bundle holds no certificate, or one that is no certificate authority.",
  SECRET_UNAVAILABLE:
    "The certificate of an identity could not be had; the cause says why, a retry is already planned.",
  SECRET_FORGOTTEN: "The identity was dropped while somebody waited for its certificate.",
  SECRET_LIMIT: "More identities were asked for than the certificate manager may hold.",
  SECRET_CLOSED: "The certificate manager was closed.",
  TLS_PEER_REFUSED: "The other side of a TLS connection is not who it has to be; the details hold the reason.",
  TLS_UNSUPPORTED: "This Node.js' OpenSSL lacks a key exchange group that the TLS policy demands.",
} as const;

/** Every code that this package raises. */
export const spiffeErrors: ErrorCatalogue<keyof typeof codes> = errorCatalogue(codes);
