// SPDX-License-Identifier: Apache-2.0
import type { Clock, Logger } from "@ambientmesh/core";
import type { IoBuffers } from "@ambientmesh/hbone";
import type { CertificateSource, RevocationSource, TlsPolicy } from "@ambientmesh/spiffe";
import type { ZtunnelConfig } from "../config/model.ts";
import type { OnDemandAddresses } from "../control/on-demand.ts";
import type { DecisionContext } from "../decision/context.ts";
import type { DnsShared } from "../dns/mesh-names.ts";
import type { MeshState } from "../state/mesh-state.ts";
import type { ConnectionReporting } from "../telemetry/connections.ts";
import type { PolicyMetrics } from "../telemetry/policy-metrics.ts";
import type { HostResolver } from "./host-resolver.ts";

/** What the proxies of all pods stand on. */
export interface SharedDeps {
  readonly config: ZtunnelConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly state: MeshState;
  readonly decisions: DecisionContext;
  /** Fetches addresses when they are called; undefined: the control plane sends all of them. */
  readonly onDemand: OnDemandAddresses | undefined;
  readonly certificates: CertificateSource;
  readonly tlsPolicy: TlsPolicy;
  readonly revocation: RevocationSource | undefined;
  readonly reporting: ConnectionReporting;
  readonly policyMetrics: PolicyMetrics;
  /** Connections that one pod may have at a time: half of the sockets of this process, so that others have some left. */
  readonly maxPodConnections: number;
  readonly resolver: HostResolver;
  /** Undefined: pods' DNS questions are not for this proxy. */
  readonly dns: DnsShared | undefined;
  /** Large buffers that all connections of this event loop use in turn. */
  readonly buffers: IoBuffers;
}

/** How long the workload of a pod is waited for (ztunnel, Istio 1.31). */
export const WORKLOAD_WAIT_MS = 5000;
/** Limit of every TCP connect to a next hop (ztunnel, Istio 1.31). */
export const CONNECT_TIMEOUT_MS = 10_000;
