// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

/** Codes that authz raises. */
export const authzErrors: ErrorCatalogue<"AUTHZ_CONNECTION_INVALID" | "AUTHZ_POLICY_NOT_UNDERSTOOD"> = errorCatalogue({
  AUTHZ_CONNECTION_INVALID: "A connection was described with an address or a port that is none.",
  AUTHZ_POLICY_NOT_UNDERSTOOD: "A policy holds entries that can't be understood; the details list them.",
});
