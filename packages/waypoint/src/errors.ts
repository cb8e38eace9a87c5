// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

const CODES = {
  WAYPOINT_BOOTSTRAP: "The bootstrap file can't be read or is no bootstrap of Envoy v3; it says where.",
  WAYPOINT_CONFIG_INVALID:
    "A resource breaks the rules of its type or contradicts itself; the control plane is told, the last good one stays.",
  WAYPOINT_CONFIG_UNSUPPORTED:
    "A resource uses a field or a value that this proxy does not implement; the path names it, the last good one stays.",
  WAYPOINT_LISTEN: "The address of a listener can't be bound; the listener is refused.",
} as const;

/** What the waypoint itself raises. What happens to a request is not an error but response flags in its log. */
export const waypointErrors: ErrorCatalogue<keyof typeof CODES> = errorCatalogue(CODES);
