// SPDX-License-Identifier: Apache-2.0
/** Client. */
export type { ConnectOutcome, ConnectRequestOptions } from "./client/connect-outcome.ts";
export {
  openHboneConnection,
  type HboneConnection,
  type HboneConnectionDeps,
  type HboneConnectionEvents,
  type HboneConnectionOptions,
} from "./client/hbone-connection.ts";
export { HbonePool, type HbonePoolDeps, type HbonePoolOptions, type HbonePoolStats } from "./client/hbone-pool.ts";
export type { PooledConnection, TunnelTarget } from "./client/pool-target.ts";

/** Server. */
export type { ConnectRequest } from "./server/connect-request.ts";
export {
  HboneServer,
  type HboneServerDeps,
  type HboneServerOptions,
  type HboneServerStats,
} from "./server/hbone-server.ts";
export type { ServerConnection } from "./server/server-connection.ts";

/** Tunnels. */
export type { TunnelStream } from "./tunnel/tunnel-stream.ts";
export type { ConnectionInfo, TunnelInfo } from "./tunnel/tunnel-info.ts";
export { joinTunnel, type JoinOptions, type TunnelJoin } from "./join/tunnel-join.ts";
export type { JoinEnd, JoinResult } from "./join/join-result.ts";

/** Headers of CONNECT requests. */
export { formatBaggage, parseBaggage, WORKLOAD_TYPES, type Baggage, type WorkloadType } from "./headers/baggage.ts";
export { formatForwarded, parseForwarded, type Forwarded } from "./headers/forwarded.ts";
export { createTraceParent, formatTraceParent, parseTraceParent, type TraceParent } from "./headers/traceparent.ts";

/** What both sides share. */
export { IoBuffers } from "./buffers/io-buffers.ts";
export type { ConnectionStats } from "./connection/contract.ts";
export type { ConnectionOptions } from "./connection/options.ts";
export type { Headers } from "./h2/message.ts";
export type { SecureLimits, SecureOutcome } from "./secure-transport.ts";
export { hboneErrors, type HboneErrorCode } from "./errors.ts";
export {
  channels,
  type TypedChannel,
  type ConnectionEnded,
  type ConnectionFailed,
  type ConnectionOpened,
  type TunnelAnswered,
} from "./diagnostics.ts";
