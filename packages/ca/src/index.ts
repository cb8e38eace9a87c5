// SPDX-License-Identifier: Apache-2.0
/** The authority. */
export {
  CertificateAuthority,
  type IssuedCertificate,
  type IssuingPolicy,
  type ServingCertificate,
  type SigningRequest,
} from "./authority/authority.ts";
export type { Revocation } from "./authority/revocations.ts";

/** What an authority is made of, and how that is kept and changed. */
export {
  createIntermediate,
  createRoot,
  isRenewalDue,
  renewRoot,
  withRoots,
  type AuthorityOptions,
} from "./authority/roots.ts";
export {
  CRL_FILE,
  ISTIO_FILES,
  TLS_FILES,
  materialFromFiles,
  materialToFiles,
  type AuthorityFiles,
  type AuthorityMaterial,
} from "./authority/material.ts";
export { AUTHORITY_FILE_NAMES, readAuthorityFolder, type AuthorityFolder } from "./authority/folder.ts";
export { caErrors } from "./errors.ts";
