// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

const CODES = {
  KUBE_BAD_REQUEST: "The API server can't make sense of a request; the message says which part.",
  KUBE_UNAUTHORIZED: "The API server does not know who asks: the token or certificate is missing, wrong or expired.",
  KUBE_FORBIDDEN: "The API server knows who asks and refuses; grant the missing permission by RBAC.",
  KUBE_NOT_FOUND: "There is no such object, or no such kind of object, at the API server.",
  KUBE_METHOD_NOT_ALLOWED: "The kind of object does not support the verb.",
  KUBE_NOT_ACCEPTABLE: "The API server has no representation of the answer that the client accepts.",
  KUBE_ALREADY_EXISTS: "An object was to be created whose name is taken.",
  KUBE_CONFLICT:
    "An object has changed since it was read, a precondition does not hold, or another field manager owns a field; read again and repeat, or force.",
  KUBE_EXPIRED: "A resource version or a continue token is older than what the API server remembers; list again.",
  KUBE_TOO_LARGE: "A request is larger than the API server takes.",
  KUBE_UNSUPPORTED_MEDIA_TYPE: "The body's media type is not taken here.",
  KUBE_INVALID: "An object breaks the rules of its kind; details.causes names each field with the reason.",
  KUBE_TOO_MANY_REQUESTS: "The API server asks for patience; details.retryAfterMs says how long.",
  KUBE_INTERNAL: "The API server failed inside.",
  KUBE_UNAVAILABLE: "The API server can't be reached or is not ready; the same call may succeed later.",
  KUBE_TIMEOUT: "The API server, or the way to it, took longer than the limit.",
  KUBE_CONFIG_INVALID: "A kubeconfig or the in-cluster files can't be used; the message names file and field.",
  KUBE_RESPONSE_INVALID: "What answered does not speak the Kubernetes API, or its answer broke off.",
  KUBE_RESPONSE_TOO_LARGE: "An answer is larger than the client's limit.",
  KUBE_SELECTOR_INVALID: "A label or field selector does not follow the grammar.",
  KUBE_LISTEN_FAILED:
    "The local API server can't open a listener: the address is in use, is not ours, or is not permitted.",
  KUBE_FEED_INVALID: "A YAML file holds something that is no valid object; file, line, column and field are named.",
} as const;

/** Codes of this package, on both sides of the API. */
export type KubeErrorCode = keyof typeof CODES;

/** The error catalogue of this package. */
export const kubeErrors: ErrorCatalogue<KubeErrorCode> = errorCatalogue(CODES);

/** One broken rule of an object, under `details.causes` of KUBE_INVALID and of apply conflicts. */
export interface FieldCause {
  /** Path of the field, as in `spec.ports[0].port`. */
  readonly field: string;
  /** What is wrong, without the path. */
  readonly message: string;
  /** Kubernetes' machine-readable reason, as in `FieldValueRequired`. */
  readonly reason: string;
}
