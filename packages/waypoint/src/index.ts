// SPDX-License-Identifier: Apache-2.0
/** The proxy in a process of one's own. */
export { startWaypoint, type Waypoint, type WaypointDeps, type WaypointOptions } from "./app.ts";
export { parseBootstrap } from "./config/bootstrap.ts";
export { SUPPORTED_FIELDS } from "./config/supported-fields.ts";
export type { SupportedFields } from "./config/check-fields.ts";
export type { LineSink } from "./telemetry/access-log.ts";
export type { ConnectionFacts, RequestRecord, ResponseFlag } from "./telemetry/request-record.ts";
export { waypointErrors } from "./errors.ts";
