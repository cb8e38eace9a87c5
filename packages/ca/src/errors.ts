// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

const codes = {
  CA_FOLDER_INCOMPLETE:
    "A folder or Secret with an authority's certificates lacks files of its layout; they are named.",
  CA_MATERIAL_INVALID: "An authority's certificate, key, chain and roots don't fit together or may not issue.",
  CA_CSR_INVALID: "A certificate request was refused; the cause says what is wrong with it.",
  CA_TTL_TOO_LONG: "A certificate was asked for that would live longer than the policy allows.",
  CA_SIGNER_EXPIRED: "The authority's own certificate, or one above it, has expired; it can't issue any more.",
  CA_NAME_INVALID: "A serving certificate was asked for without a name, or for one that is no DNS name or IP address.",
  CA_REVOCATIONS_FULL:
    "The authority holds as many revocations as it may; those of expired certificates are dropped by themselves.",
  CA_CLIENT_INVALID:
    "The client of the certificate service was given an address or header it can't use, or a token to send in the clear.",
  CA_CREDENTIALS_UNREADABLE: "A token or root certificate that is needed to ask the certificate service can't be read.",
  CA_UNAVAILABLE: "The certificate service can't be reached or failed; the same request may succeed later.",
  CA_UNAUTHENTICATED: "The certificate service did not accept the caller's token or the identity it asked for.",
  CA_REFUSED: "The certificate service refused the request for good: it is malformed, not allowed or not served there.",
  CA_ANSWER_INVALID: "The certificate service answered with something else than a certificate for the request.",
} as const;

/** Every code that this package raises. */
export const caErrors: ErrorCatalogue<keyof typeof codes> = errorCatalogue(codes);
