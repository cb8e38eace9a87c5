// SPDX-License-Identifier: Apache-2.0
/** Identities. */
export {
  formatSpiffeId,
  isSpiffeId,
  parseSpiffeId,
  parseTrustDomain,
  spiffeIdParts,
  trustDomainOf,
  type SpiffeId,
  type SpiffeIdParts,
  type TrustDomain,
} from "./id/spiffe-id.ts";
export type { SpiffeDiagnostics } from "./diagnostics.ts";
export { spiffeErrors } from "./errors.ts";

/** Certificates, requests and keys. */
export { formatPem, parsePem, type PemBlock } from "./pem.ts";
export { parseCertificate, parseCertificates, type Certificate } from "./x509/certificate.ts";
export type { AlternativeNames } from "./x509/general-names.ts";
export type { Extension, Usage } from "./x509/extensions.ts";
export { createCsr, parseCsr, type CertificateRequest, type ParsedCsr } from "./x509/csr.ts";
export { KEY_TYPES, generateKey, parsePrivateKey, privateKeyPem, type KeyPair, type KeyType } from "./x509/keys.ts";
export { buildPath, isIssuedBy } from "./x509/path.ts";

/** SVIDs and whom they trust. */
export { createSvid, svidFromIssuedChain, type Svid, type SvidParts } from "./svid/svid.ts";
export { identityOf, svidProblems, type CertificateIdentity } from "./svid/profile.ts";
export {
  createTrustBundle,
  mergeTrustBundles,
  parseTrustBundle,
  trustBundlePem,
  type TrustBundle,
} from "./svid/trust-bundle.ts";
export {
  PRIORITIES,
  staticSource,
  type CertificateSource,
  type Priority,
  type SecretState,
} from "./svid/certificate-source.ts";
export {
  SecretManager,
  type IssueCertificate,
  type SecretManagerDeps,
  type SecretManagerOptions,
} from "./secrets/secret-manager.ts";

/** Mutual TLS. */
export {
  acceptTls,
  connectTls,
  type HandshakeOptions,
  type HandshakeOutcome,
  type HandshakeRefusalReason,
} from "./tls/handshake.ts";
export { ALPN_PROTOCOLS, clientTlsOptions, serverTlsOptions } from "./tls/options.ts";
export { createTlsPolicy, defaultTlsPolicy, type TlsPolicy } from "./tls/policy.ts";
export { secureContextFor, secureContextOptions } from "./tls/contexts.ts";
export {
  verifyClient,
  verifyServer,
  type PeerRefusalReason,
  type PeerVerdict,
  type RevocationCheck,
  type ServerExpectation,
  type VerifiedPeer,
} from "./tls/verify.ts";

/** Revocation. */
export { RevocationSet, type RevocationSource } from "./revocation/revocation-set.ts";
export { parseRevocationLists, type RevocationList } from "./x509/crl.ts";
export { CrlFile } from "./revocation/crl-file.ts";
export { FileWatcher } from "./files/file-watcher.ts";
