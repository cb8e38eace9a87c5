// SPDX-License-Identifier: Apache-2.0
import type { MeshError } from "@ambientmesh/core";
import { waypointErrors } from "../errors.ts";

/** The error for a field, or a value of it, that is not implemented. `path` is in proto field names: `routes[0].match.grpc`. */
export function unsupported(path: string, why = "is not supported"): MeshError {
  return waypointErrors.create("WAYPOINT_CONFIG_UNSUPPORTED", `${path} ${why}`, { details: { path } });
}

/** The error for a value that can't be right whatever the proxy implements. */
export function invalid(path: string, why: string): MeshError {
  return waypointErrors.create("WAYPOINT_CONFIG_INVALID", `${path} ${why}`, { details: { path } });
}
