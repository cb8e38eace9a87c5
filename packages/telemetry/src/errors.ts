// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

/** Codes that telemetry raises. */
export const telemetryErrors: ErrorCatalogue<
  "ADMIN_LISTEN_FAILED" | "ADMIN_STARTED_TWICE" | "LOG_FILTER_INVALID" | "METRIC_CONFLICT" | "METRIC_INVALID"
> = errorCatalogue({
  ADMIN_LISTEN_FAILED: "The admin server could not bind one of its addresses; the cause says why.",
  ADMIN_STARTED_TWICE: "An admin server was started a second time, or after it was disposed.",
  LOG_FILTER_INVALID: "A log filter is not a list of levels and scope=level pairs.",
  METRIC_CONFLICT: "A metric name was declared twice with another type, other labels or other buckets.",
  METRIC_INVALID: "A metric was declared with a name, label, help text or bucket list that can't be exposed.",
});
