// SPDX-License-Identifier: Apache-2.0
/** Objects of Istio's API groups. */
export type * from "./policy.ts";
