// SPDX-License-Identifier: Apache-2.0
/** Objects of Istio's API groups. */
export type * from "./destination-rule.ts";
export type * from "./policy.ts";
export type * from "./registry.ts";
export type * from "./request-authentication.ts";
export type * from "./telemetry.ts";
export type * from "./virtual-service.ts";

/** The same as API servers need to know them. */
export { ISTIO_DEFINITIONS } from "./definitions.ts";
