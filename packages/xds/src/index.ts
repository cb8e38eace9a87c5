// SPDX-License-Identifier: Apache-2.0

// Resources and where they come from.
export { ResourceCache, type ResourceCacheDeps } from "./cache/resource-cache.ts";
export { ResourceStore, type ResourceStoreOptions } from "./cache/resource-store.ts";
export { contentVersion, type EncodedResource, type ResourceInput } from "./cache/resource.ts";
export type { LogEntry } from "./cache/resource-log.ts";
export type {
  ClientInfo,
  LogReader,
  ResourceFeed,
  ResourceSource,
  ResourceView,
  SubscriptionInfo,
} from "./cache/source.ts";
export type { DebounceOptions } from "./cache/debouncer.ts";

// Server.
export {
  XdsServer,
  type DrainOptions,
  type ServedType,
  type StreamAcceptor,
  type XdsServerDeps,
  type XdsServerOptions,
} from "./server/xds-server.ts";
export type { Authenticate, Authentication, Authorization, Authorize } from "./server/hooks.ts";
export type { ClientStatus } from "./server/session.ts";
export type { TypeStatus } from "./server/subscription.ts";
export type { Nack, NonceStatus } from "./server/nonces.ts";
export type { StreamLimit } from "./server/stream-limiter.ts";
export type { PushSchedulerOptions } from "./server/push-scheduler.ts";
export { GRPC_STATUS, type CallInfo, type ServerStream, type StreamStatus } from "./server/server-stream.ts";

// gRPC on sockets.
export { GrpcListener, type GrpcListenerDeps, type GrpcListenerOptions } from "./grpc/listener.ts";
export { fixedTls, type ServerTlsMaterial, type ServerTlsSource } from "./grpc/tls-source.ts";
export type { Peer } from "./grpc/connections.ts";
export { serveXds } from "./grpc/serve-xds.ts";

// Clients.
export { DeltaClient, type DeltaClientOptions, type DeltaClientStatus } from "./client/delta-client.ts";
export { deltaType, type AnyDeltaType, type DeltaTypeStatus } from "./client/delta-type.ts";
export type { NodeInit } from "./client/node.ts";
export type { SubscriptionMode } from "./client/delta-state.ts";
export type { DemandOptions, DemandOutcome } from "./client/demand-table.ts";
export { SotwClient, type SotwClientOptions, type SotwClientStatus } from "./client/sotw-client.ts";
export {
  sotwType,
  type AnySotwType,
  type SotwMode,
  type SotwProcessed,
  type SotwResourceType,
  type SotwTypeStatus,
} from "./client/sotw-type.ts";
export type {
  Processed,
  ReceivedBytes,
  ReceivedResource,
  Rejection,
  ResourceChanges,
  ResourceType,
} from "./client/resource-type.ts";
export type { ConnectionStatus, XdsClientDeps } from "./client/stream-loop.ts";

// How clients reach a server.
export type { XdsCall, XdsTransport } from "./client/transport.ts";
export { GrpcTransport, type ClientTls, type GrpcTransportOptions } from "./client/grpc-transport.ts";
export { MemoryTransport } from "./memory/memory-transport.ts";
export { DELTA_METHOD, SOTW_METHOD, type XdsMethod } from "./protocol/methods.ts";

// What may be watched and what may go wrong.
export type { XdsDiagnostics } from "./diagnostics.ts";
export { xdsErrors } from "./errors.ts";
