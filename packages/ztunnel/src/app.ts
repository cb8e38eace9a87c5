// SPDX-License-Identifier: Apache-2.0
import { TaskGroup, type Clock, type MeshError } from "@ambientmesh/core";
import {
  exposeProcessMetrics,
  Readiness,
  type AdminServer,
  type LogLevels,
  type LogSink,
  type MetricsRegistry,
} from "@ambientmesh/telemetry";
import { configDump } from "./admin/config-dump.ts";
import { createOperatorServer, createReadinessServer, createStatsServer } from "./admin/servers.ts";
import type { ZtunnelConfig } from "./config/model.ts";
import { createDiscovery } from "./control/discovery.ts";
import { OnDemandAddresses } from "./control/on-demand.ts";
import { createDedicatedHosting } from "./hosting/dedicated-hosting.ts";
import { createSharedHosting } from "./hosting/shared-hosting.ts";
import { applyLocalConfig } from "./local/local-config.ts";
import type { NameLookup } from "./proxy/host-resolver.ts";
import { MeshState } from "./state/mesh-state.ts";
import { createBase, createShared, ILLEGAL_PORTS } from "./wiring.ts";

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

/** Readiness task until the control plane's first complete state is here, named as in ztunnel. */
const STATE_TASK = "state manager";
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
  applyLocalConfig(state, config.localConfig);
  const discovery =
    config.xds &&
    stack.use(createDiscovery({ state, clock, logger: logger.child("xds"), metrics }, config, config.xds));
  const onDemand = discovery && config.isOnDemand ? new OnDemandAddresses(discovery, state) : undefined;
  const shared = await createShared(stack, config, { base, state, onDemand, lookup: deps.lookup });
  const statsServer = stack.use(createStatsServer(logger.child("stats"), config, metrics));
  const { mode } = config;
  const hosting =
    mode.kind === "shared"
      ? createSharedHosting(shared, { readiness, metrics })
      : createDedicatedHosting(shared, mode.workload, { readiness });
  const quit = Promise.withResolvers<void>();
  const dump = (): unknown =>
    configDump({ config, illegalPorts: ILLEGAL_PORTS, state, certificates: shared.certificates, hosting, clock });
  const operatorServer = stack.use(
    createOperatorServer(logger.child("admin"), config, { levels, clock, dump, onQuit: quit.resolve }),
  );
  await operatorServer.start();
  await statsServer.start();
  stack.defer(() => hosting.drain(config.terminationDeadlineMs));
  const tasks = stack.use(new TaskGroup({ onCrash: (_task, error) => deps.onFatal?.(error) }));
  tasks.run("pods", async (signal) => {
    await discovery?.start(signal);
    logger.info("the control plane's state is complete", {
      workloads: state.workloads.size,
      services: state.services.size,
    });
    hasState[Symbol.dispose]();
    await hosting.run(signal);
  });
  const servers = {
    admin: operatorServer.addresses,
    stats: statsServer.addresses,
    readiness: readinessServer.addresses,
  };
  return new Ztunnel({ readiness, servers }, stack.move(), quit.promise);
}
