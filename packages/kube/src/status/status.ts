// SPDX-License-Identifier: Apache-2.0
import type { Status } from "@ambientmesh/api/kubernetes";
import { toMeshError, type MeshError } from "@ambientmesh/core";
import { kubeErrors, type FieldCause, type KubeErrorCode } from "../errors.ts";

interface Mapping {
  readonly code: KubeErrorCode;
  readonly httpStatus: number;
  readonly reason: string;
  readonly isRetryable?: boolean;
}

/** Our codes beside Kubernetes' reasons and HTTP statuses. The first row of a status is its fallback. */
const MAPPINGS: readonly Mapping[] = [
  { code: "KUBE_BAD_REQUEST", httpStatus: 400, reason: "BadRequest" },
  { code: "KUBE_UNAUTHORIZED", httpStatus: 401, reason: "Unauthorized" },
  { code: "KUBE_FORBIDDEN", httpStatus: 403, reason: "Forbidden" },
  { code: "KUBE_NOT_FOUND", httpStatus: 404, reason: "NotFound" },
  { code: "KUBE_METHOD_NOT_ALLOWED", httpStatus: 405, reason: "MethodNotAllowed" },
  { code: "KUBE_NOT_ACCEPTABLE", httpStatus: 406, reason: "NotAcceptable" },
  { code: "KUBE_CONFLICT", httpStatus: 409, reason: "Conflict" },
  { code: "KUBE_ALREADY_EXISTS", httpStatus: 409, reason: "AlreadyExists" },
  { code: "KUBE_EXPIRED", httpStatus: 410, reason: "Expired" },
  { code: "KUBE_EXPIRED", httpStatus: 410, reason: "Gone" },
  { code: "KUBE_TOO_LARGE", httpStatus: 413, reason: "RequestEntityTooLarge" },
  { code: "KUBE_UNSUPPORTED_MEDIA_TYPE", httpStatus: 415, reason: "UnsupportedMediaType" },
  { code: "KUBE_INVALID", httpStatus: 422, reason: "Invalid" },
  { code: "KUBE_TOO_MANY_REQUESTS", httpStatus: 429, reason: "TooManyRequests", isRetryable: true },
  { code: "KUBE_INTERNAL", httpStatus: 500, reason: "InternalError", isRetryable: true },
  { code: "KUBE_UNAVAILABLE", httpStatus: 503, reason: "ServiceUnavailable", isRetryable: true },
  { code: "KUBE_UNAVAILABLE", httpStatus: 502, reason: "BadGateway", isRetryable: true },
  { code: "KUBE_TIMEOUT", httpStatus: 504, reason: "Timeout", isRetryable: true },
];

const INTERNAL: Mapping = { code: "KUBE_INTERNAL", httpStatus: 500, reason: "InternalError" };

function mappingOf(httpStatus: number, reason: string | undefined): Mapping {
  return (
    MAPPINGS.find((mapping) => mapping.httpStatus === httpStatus && mapping.reason === reason) ??
    MAPPINGS.find((mapping) => mapping.httpStatus === httpStatus) ??
    (httpStatus >= 500 ? { ...INTERNAL, isRetryable: true } : { ...INTERNAL, code: "KUBE_BAD_REQUEST" })
  );
}

/** A failure on its way to a client: the HTTP status and the Status object of the body. */
export function statusOf(failure: unknown): { readonly httpStatus: number; readonly body: Status } {
  const error = toMeshError(failure, "KUBE_INTERNAL");
  const { httpStatus, reason } = MAPPINGS.find((mapping) => mapping.code === error.code) ?? INTERNAL;
  return {
    httpStatus,
    body: {
      apiVersion: "v1",
      kind: "Status",
      metadata: {},
      status: "Failure",
      message: error.message,
      reason,
      code: httpStatus,
      details: detailsOf(error),
    },
  };
}

function detailsOf({ details }: MeshError): NonNullable<Status["details"]> {
  const { name, group, kind, causes, retryAfterMs } = details;
  return {
    ...(typeof name === "string" && { name }),
    ...(typeof group === "string" && group !== "" && { group }),
    ...(typeof kind === "string" && { kind }),
    ...(Array.isArray(causes) && { causes: causes as readonly FieldCause[] }),
    ...(typeof retryAfterMs === "number" && { retryAfterSeconds: Math.ceil(retryAfterMs / 1000) }),
  };
}

/** What is known of a failed request beside the Status in its body. */
export interface FailedRequest {
  readonly httpStatus: number;
  /** "PATCH Pod shop/cart": who did what to whom. */
  readonly what: string;
  /** From the Retry-After header, in ms. */
  readonly retryAfterMs?: number | undefined;
  /** Text of a body that is no Status. */
  readonly text?: string;
}

/** The error for a refused request, with field causes under `details.causes` and `details.status` as received. */
export function errorOfStatus(status: Partial<Status> | undefined, request: FailedRequest): MeshError {
  const { code, isRetryable = false } = mappingOf(request.httpStatus, status?.reason);
  const reason = status?.message ?? (request.text?.trim() || `HTTP status ${request.httpStatus}`);
  const causes = (status?.details?.causes ?? []).map((cause): FieldCause => ({
    field: cause.field ?? "",
    message: cause.message ?? "",
    reason: cause.reason ?? "",
  }));
  const seconds = status?.details?.retryAfterSeconds;
  const retryAfterMs = request.retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1000);
  return kubeErrors.create(code, `${request.what}: ${reason}`, {
    retryable: isRetryable,
    details: {
      httpStatus: request.httpStatus,
      ...(status?.reason !== undefined && { reason: status.reason }),
      ...(status?.details?.name !== undefined && { name: status.details.name }),
      ...(causes.length > 0 && { causes }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    },
  });
}
