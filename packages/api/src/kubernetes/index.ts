// SPDX-License-Identifier: Apache-2.0
/** Objects of Kubernetes' own API groups, reduced to the fields that the mesh reads or writes. */
export type * from "./meta.ts";
export type * from "./core.ts";
export type * from "./gateway.ts";
export type * from "./admission.ts";
