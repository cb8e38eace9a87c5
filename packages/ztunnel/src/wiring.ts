// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import { systemClock, type Clock, type Logger } from "@ambientmesh/core";
import { IoBuffers } from "@ambientmesh/hbone";
import { openFileLimit } from "@ambientmesh/linux";
import { createTlsPolicy, CrlFile, SecretManager } from "@ambientmesh/spiffe";
import {
  createAccessLog,
  createLogger,
  createMetrics,
  LogLevels,
  type LogSink,
  type MetricsRegistry,
} from "@ambientmesh/telemetry";
import type { ZtunnelDeps } from "./app.ts";
import type { ZtunnelConfig } from "./config/model.ts";
import { createIssuer, IdentityKeeper } from "./control/certificates.ts";
import { DnsMetrics } from "./dns/dns-metrics.ts";
import type { DnsShared } from "./dns/mesh-names.ts";
import { NameServers } from "./dns/resolv-conf.ts";
import { HostResolver, systemLookup } from "./proxy/host-resolver.ts";
import type { SharedDeps } from "./proxy/shared-deps.ts";
import type { MeshState } from "./state/mesh-state.ts";
import { AccessLines } from "./telemetry/access-lines.ts";
import { PolicyMetrics } from "./telemetry/policy-metrics.ts";
import { TrafficMetrics } from "./telemetry/traffic-metrics.ts";
import { markUnstable } from "./telemetry/unstable-metrics.ts";

/** What everything in a ztunnel is made with. */
export interface Base {
  readonly output: LogSink;
  readonly clock: Clock;
  readonly levels: LogLevels;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly random: () => number;
}

/** Nobody may be sent to these: they are the proxy's own. */
export const ILLEGAL_PORTS: ReadonlySet<number> = new Set([PORTS.OUTBOUND, PORTS.INBOUND_PLAINTEXT, PORTS.HBONE]);

/** Of the two sockets of a connection. */
const FDS_PER_CONNECTION = 2;
/** However few files may be open, a pod has this many connections. */
const MIN_POD_CONNECTIONS = 256;

export function createBase(config: ZtunnelConfig, deps: ZtunnelDeps): Base {
  const { output, clock = systemClock, random = Math.random } = deps;
  const metrics = markUnstable(deps.metrics ?? createMetrics());
  const levels = deps.levels ?? new LogLevels(config.logFilter, { program: "ztunnel" });
  const logger = createLogger({ output, levels, clock }, { scope: "ztunnel" });
  metrics
    .gauge({ name: "istio_build", help: "Version of this component", labels: ["component", "tag"] })
    .with({ component: "ztunnel", tag: config.proxyMetadata["ISTIO_VERSION"] ?? "unknown" })
    .set(1);
  return { output, clock, levels, logger, metrics, random };
}

/** What the proxies of all pods stand on; the stack owns what has to be closed. */
export async function createShared(
  stack: AsyncDisposableStack,
  config: ZtunnelConfig,
  parts: Pick<SharedDeps, "state" | "onDemand"> & { readonly base: Base; readonly lookup: ZtunnelDeps["lookup"] },
): Promise<SharedDeps> {
  const { base, state, onDemand, lookup = systemLookup() } = parts;
  const { clock, logger, metrics, random } = base;
  const issuer = stack.use(createIssuer(logger.child("ca"), config));
  const certificates = stack.use(
    new SecretManager({ issue: issuer.issue, clock, logger: logger.child("certificates"), metrics }),
  );
  // Alone, a workload has its certificate fetched by its first connection.
  if (config.mode.kind === "shared") {
    stack.use(new IdentityKeeper({ state, secrets: certificates, logger: logger.child("certificates") }));
  }
  const revocation =
    config.crlPath === undefined ? undefined : stack.use(new CrlFile({ clock, logger }, { path: config.crlPath }));
  await revocation?.start();
  return {
    config,
    clock,
    logger,
    state,
    onDemand,
    decisions: {
      state,
      network: config.network,
      illegalPorts: ILLEGAL_PORTS,
      isLocalhostAppTunnel: config.isLocalhostAppTunnel,
      random,
    },
    certificates,
    tlsPolicy: createTlsPolicy({ compliance: config.compliance, isTls12Enabled: config.isTls12Enabled }),
    revocation,
    reporting: {
      clock,
      access: new AccessLines(createAccessLog(base)),
      metrics: new TrafficMetrics(metrics),
    },
    policyMetrics: new PolicyMetrics(metrics),
    maxPodConnections: Math.max(MIN_POD_CONNECTIONS, Math.floor(openFileLimit().soft / FDS_PER_CONNECTION / 2)),
    resolver: new HostResolver({ lookup, metrics, random }),
    dns: config.dnsProxy && createDns(config, base, state),
    buffers: new IoBuffers(),
  };
}

function createDns(config: ZtunnelConfig, { clock, logger, metrics, random }: Base, state: MeshState): DnsShared {
  const { clusterDomain: domain, preferredServiceNamespace: preferredNamespace, isIpv6Enabled } = config;
  return {
    state,
    clock,
    logger,
    metrics: new DnsMetrics(metrics),
    names: { domain, preferredNamespace, isIpv6Enabled, random },
    nameServers: new NameServers({ clock, logger: logger.child("dns") }, { path: config.resolvConfPath }),
    searchDomains: config.mode.kind === "shared" ? "pod" : "resolv-conf",
  };
}
