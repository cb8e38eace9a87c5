// SPDX-License-Identifier: Apache-2.0
import { status, type ServiceError } from "@grpc/grpc-js";
import type { MeshError } from "@ambientmesh/core";
import { caErrors } from "../errors.ts";

type Meaning = "CA_UNAVAILABLE" | "CA_UNAUTHENTICATED" | "CA_REFUSED";

// What is not listed is the service's or the network's fault and may pass.
const MEANINGS: Readonly<Partial<Record<status, Meaning>>> = {
  [status.UNAUTHENTICATED]: "CA_UNAUTHENTICATED",
  [status.INVALID_ARGUMENT]: "CA_REFUSED",
  [status.PERMISSION_DENIED]: "CA_REFUSED",
  [status.FAILED_PRECONDITION]: "CA_REFUSED",
  [status.NOT_FOUND]: "CA_REFUSED",
  [status.OUT_OF_RANGE]: "CA_REFUSED",
  [status.UNIMPLEMENTED]: "CA_REFUSED",
};

/**
 * The error for a gRPC status. Unauthenticated may be tried again: tokens rotate, and istiod says so too of a pod that it has not seen yet.
 */
export function errorOfStatus(error: ServiceError, who: string): MeshError {
  const code = MEANINGS[error.code] ?? "CA_UNAVAILABLE";
  return caErrors.create(
    code,
    `no certificate of ${who}: the service answered ${status[error.code]}: ${error.details}`,
    {
      cause: error,
      retryable: code !== "CA_REFUSED",
      details: { status: status[error.code] },
    },
  );
}
