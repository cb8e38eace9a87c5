// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import { systemClock, TaskGroup, type Clock, type Logger, type MeshError } from "@ambientmesh/core";
import { IoBuffers } from "@ambientmesh/hbone";
import { createTlsPolicy, CrlFile, SecretManager } from "@ambientmesh/spiffe";
import {
  createAccessLog,
  createLogger,
  createMetrics,
  exposeProcessMetrics,
  LogLevels,
  Readiness,
  type AdminServer,
  type LogSink,
  type MetricsRegistry,
} from "@ambientmesh/telemetry";
import { configDump } from "./admin/config-dump.ts";
import { createOperatorServer, createReadinessServer, createStatsServer } from "./admin/servers.ts";
import type { ZtunnelConfig } from "./config/model.ts";
import { createCaClient, IdentityKeeper } from "./control/certificates.ts";
import { createDiscovery } from "./control/discovery.ts";
import type { StartPod } from "./inpod/pod.ts";
import { WorkloadManager } from "./inpod/workload-manager.ts";
import { ZdsClient } from "./inpod/zds-client.ts";
import { DnsMetrics } from "./dns/dns-metrics.ts";
import type { DnsShared } from "./dns/mesh-names.ts";
import { NameServers } from "./dns/resolv-conf.ts";
import { HostResolver, systemLookup, type NameLookup } from "./proxy/host-resolver.ts";
import { PodProxy } from "./proxy/pod-proxy.ts";
import { createSelfProxy } from "./proxy/self-proxy.ts";
import type { SharedDeps } from "./proxy/shared-deps.ts";
import { MeshState } from "./state/mesh-state.ts";
import { AccessLines } from "./telemetry/access-lines.ts";
import { TrafficMetrics } from "./telemetry/traffic-metrics.ts";

/** What a ztunnel is made with. */
export interface ZtunnelDeps {
  /** Takes log and access log. */
  readonly output: LogSink;
  /** Default: as the configuration says. */
  readonly levels?: LogLevels;
  readonly clock?: Clock;
  readonly metrics?: MetricsRegistry;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
  readonly lookup?: NameLookup;
  /** Something this proxy can't do without broke; the owner ends the process. */
  readonly onFatal?: (error: MeshError) => void;
}

interface Base {
  readonly output: LogSink;
  readonly clock: Clock;
  readonly levels: LogLevels;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly random: () => number;
}

/** Readiness task until the control plane's first complete state is here, named as in ztunnel. */
const STATE_TASK = "state manager";
/** Nobody may be sent to these: they are the proxy's own. */
const ILLEGAL_PORTS: ReadonlySet<number> = new Set([PORTS.OUTBOUND, PORTS.INBOUND_PLAINTEXT, PORTS.HBONE]);

/** A running node proxy. */
export class Ztunnel implements AsyncDisposable {
  readonly readiness: Readiness;
  /** Where it serves, by purpose. */
  readonly servers: Readonly<Record<"admin" | "stats" | "readiness", AdminServer["addresses"]>>;
  readonly #stack: AsyncDisposableStack;
  readonly #stopRequested: Promise<void>;
  #stopping: Promise<void> | undefined;

  constructor(
    parts: Pick<Ztunnel, "readiness" | "servers">,
    stack: AsyncDisposableStack,
    stopRequested: Promise<void>,
  ) {
    this.readiness = parts.readiness;
    this.servers = parts.servers;
    this.#stack = stack;
    this.#stopRequested = stopRequested;
  }

  /** Resolves when somebody asked through the admin port to stop. */
  get stopRequested(): Promise<void> {
    return this.#stopRequested;
  }

  /** Takes no new connections, gives open ones the configured time, then ends everything. May be called twice. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stack.disposeAsync();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/**
 * Starts a node proxy: resolves when its own ports are bound. It is ready (see {@link Ztunnel.readiness}) when the control
 * plane's state and all pods of the node are there.
 * @throws MeshError ADMIN_LISTEN_FAILED, LOG_FILTER_INVALID, TLS_UNSUPPORTED; everything is closed again then
 */
export async function startZtunnel(config: ZtunnelConfig, deps: ZtunnelDeps): Promise<Ztunnel> {
  await using stack = new AsyncDisposableStack();
  const base = createBase(config, deps);
  const { logger, levels, metrics, clock } = base;
  stack.use(exposeProcessMetrics(metrics));
  const readiness = new Readiness();
  const hasState = readiness.begin(STATE_TASK);
  const readinessServer = stack.use(createReadinessServer(logger.child("readiness"), config, readiness));
  await readinessServer.start();

  const state = new MeshState({ clock }, { localNode: config.localNode });
  const shared = await createShared(stack, { config, base, state, lookup: deps.lookup ?? systemLookup() });
  const discovery = stack.use(createDiscovery({ state, clock, logger: logger.child("xds"), metrics }, config));
  const statsServer = stack.use(createStatsServer(logger.child("stats"), config, metrics));
  const manager = new WorkloadManager({
    startPod: podStarter(shared),
    readiness,
    logger: logger.child("inpod"),
    metrics,
  });
  const quit = Promise.withResolvers<void>();
  const pods = (): WorkloadManager["pods"] => manager.pods;
  const dump = (): unknown =>
    configDump({ config, illegalPorts: ILLEGAL_PORTS, state, certificates: shared.certificates, pods, clock });
  const operatorServer = stack.use(
    createOperatorServer(logger.child("admin"), config, { levels, dump, onQuit: quit.resolve }),
  );
  await operatorServer.start();
  await statsServer.start();
  const self = createSelfProxy(shared);
  stack.defer(async () => {
    await Promise.all([manager.drain(config.terminationDeadlineMs), self?.drain(config.terminationDeadlineMs)]);
  });
  const tasks = stack.use(new TaskGroup({ onCrash: (_task, error) => deps.onFatal?.(error) }));
  tasks.run("pods", async (signal) => {
    await discovery.start(signal);
    logger.info("the control plane's state is complete", {
      workloads: state.workloads.size,
      services: state.services.size,
    });
    hasState[Symbol.dispose]();
    await self?.start().catch((error: unknown) => logger.error("this proxy can't be reached over HBONE", { error }));
    await new ZdsClient({ manager, clock, logger: logger.child("inpod") }, { path: config.inpodUds }).run(signal);
  });
  const servers = {
    admin: operatorServer.addresses,
    stats: statsServer.addresses,
    readiness: readinessServer.addresses,
  };
  return new Ztunnel({ readiness, servers }, stack.move(), quit.promise);
}

function createBase(config: ZtunnelConfig, deps: ZtunnelDeps): Base {
  const { output, clock = systemClock, metrics = createMetrics(), random = Math.random } = deps;
  const levels = deps.levels ?? new LogLevels(config.logFilter, { program: "ztunnel" });
  const logger = createLogger({ output, levels, clock }, { scope: "ztunnel" });
  metrics
    .gauge({ name: "istio_build", help: "Version of this component", labels: ["component", "tag"] })
    .with({ component: "ztunnel", tag: config.proxyMetadata["ISTIO_VERSION"] ?? "unknown" })
    .set(1);
  return { output, clock, levels, logger, metrics, random };
}

/** What the proxies of all pods stand on; the stack owns what has to be closed. */
async function createShared(
  stack: AsyncDisposableStack,
  parts: {
    readonly config: ZtunnelConfig;
    readonly base: Base;
    readonly state: MeshState;
    readonly lookup: NameLookup;
  },
): Promise<SharedDeps> {
  const { config, base, state, lookup } = parts;
  const { clock, logger, metrics, random } = base;
  const ca = stack.use(createCaClient(logger.child("ca"), config));
  const certificates = stack.use(
    new SecretManager({ issue: ca.issue, clock, logger: logger.child("certificates"), metrics }),
  );
  stack.use(new IdentityKeeper({ state, secrets: certificates, logger: logger.child("certificates") }));
  const revocation =
    config.crlPath === undefined ? undefined : stack.use(new CrlFile({ clock, logger }, { path: config.crlPath }));
  await revocation?.start();
  return {
    config,
    clock,
    logger,
    state,
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
    searchDomains: "pod",
  };
}

function podStarter(shared: SharedDeps): StartPod {
  return async (pod) => {
    const proxy = new PodProxy(shared, pod, { ...shared.config, netns: pod.netns });
    await proxy.start();
    return proxy;
  };
}
