// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

/** Codes that the control plane raises. */
export const errors: ErrorCatalogue<"ISTIOD_DUPLICATE_KEY" | "ISTIOD_UNDECLARED_READ"> = errorCatalogue({
  ISTIOD_DUPLICATE_KEY: "Two objects lead to the same resource; the first one stays.",
  ISTIOD_UNDECLARED_READ: "A derivation read a collection that it had not declared: a mistake in istiod.",
});
