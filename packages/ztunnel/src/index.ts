// SPDX-License-Identifier: Apache-2.0

/** The program. */
export { startZtunnel, Ztunnel, type ZtunnelDeps } from "./app.ts";
export { describeConfig, parseConfig } from "./config/config.ts";
export type { ConfigFiles, ConfigSources } from "./config/sources.ts";
export type { ZtunnelConfig } from "./config/model.ts";

/** What connections end with, and what this package raises. */
export { REASONS, flagOf, type Reason, type ResponseFlag } from "./reasons.ts";
export { ztunnelErrors } from "./errors.ts";

/** Readers of foreign bytes, for whoever wants to throw bytes at them. */
export { parseQuery, type AddressQuestion, type Query } from "./dns/query.ts";
