// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

const codes = {
  ISTIOD_AUTHORITY_MISSING: "The Secret or folder that should hold the certificate authority holds none.",
  ISTIOD_DUPLICATE_KEY: "Two objects lead to the same resource; the first one stays.",
  ISTIOD_NO_API_SERVER: "Neither a flag nor the environment says which Kubernetes API server to use.",
  ISTIOD_POLICY_UNREADABLE: "An AuthorizationPolicy that bypassed validation can't be read; it fails closed.",
  ISTIOD_ROOTS_REPLACED: "The authority's roots were exchanged for others at once instead of being added first.",
  ISTIOD_SERVING_CERTIFICATE_INVALID:
    "The files of a serving certificate are missing, unreadable or don't fit together.",
  ISTIOD_TRANSLATE_USAGE: "`translate` was asked for something it can't do, or for files it can't read.",
  ISTIOD_UNDECLARED_READ: "A derivation read a collection that it had not declared: a mistake in istiod.",
  ISTIOD_YAML_INVALID: "A file given to `translate` is no YAML, or holds something that is no object.",
} as const;

/** Every code that the control plane raises. */
export const errors: ErrorCatalogue<keyof typeof codes> = errorCatalogue(codes);
