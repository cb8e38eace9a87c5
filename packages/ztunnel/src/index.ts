// SPDX-License-Identifier: Apache-2.0

export { REASONS, flagOf, type Reason, type ResponseFlag } from "./reasons.ts";
