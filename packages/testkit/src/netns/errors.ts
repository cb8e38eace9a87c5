// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

/** What the network builder refuses. */
export const networkErrors: ErrorCatalogue<"TESTKIT_NETWORK_INVALID" | "TESTKIT_ROOT_REQUIRED"> = errorCatalogue({
  TESTKIT_NETWORK_INVALID: "A test network was described wrongly, or asked for a node or pod it has not.",
  TESTKIT_ROOT_REQUIRED: "MESH_REQUIRE_ROOT=1 demands the network namespace tests, and the process may not run them.",
});
