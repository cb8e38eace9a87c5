// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { systemClock, type Clock } from "@ambientmesh/core";
import { RESOURCES, createInformers, type KubeClient } from "@ambientmesh/kube";
import { hostNetns, linuxErrors, readSysctl } from "@ambientmesh/linux";
import {
  LogLevels,
  Readiness,
  createLogger,
  createMetrics,
  exposeProcessMetrics,
  type AdminServer,
  type LogSink,
  type MetricsRegistry,
} from "@ambientmesh/telemetry";
import { createHealthServer, createMetricsServer } from "./admin/servers.ts";
import type { AgentConfig } from "./config/agent-config.ts";
import { Enrolment } from "./enrolment/enrolment.ts";
import { agentsPod } from "./enrolment/mesh-condition.ts";
import { startInstallation, type InstallationDeps, type PluginInstallation } from "./installer/start-installer.ts";
import { NetnsRecords } from "./pods/netns-records.ts";
import { PluginServer } from "./plugin-server/plugin-server.ts";
import { startProbeMarking, type AgentProbeMarking, type ProbeMarkingSetup } from "./probes/start-probe-marking.ts";
import { chooseRedirection } from "./redirection/choose-redirection.ts";
import type { RuleDefaults } from "./redirection/pod-rules.ts";

/** What a node agent is made with. */
export interface AgentDeps {
  /** Takes the log. */
  readonly output: LogSink;
  /** Belongs to the caller. */
  readonly client: KubeClient;
  readonly clock?: Clock;
  readonly metrics?: MetricsRegistry;
}

/** A running node agent. Disposing it leaves every pod as it is: redirected, and served by the node proxy. */
export interface Agent extends AsyncDisposable {
  /** Where it serves, by purpose. */
  readonly servers: Readonly<Record<"health" | "metrics", AdminServer["addresses"]>>;
  /** Takes the CNI plugin off the node; pods that run stay as they are. @throws MeshError CNI_INSTALL_FAILED */
  uninstall(): Promise<void>;
}

/**
 * Starts a node agent; resolves when pods can be taken into the mesh. Waits for the API server as long as that takes.
 * @throws MeshError ADMIN_LISTEN_FAILED, CNI_REDIRECTION_UNAVAILABLE, CNI_SOCKET_IN_USE, LOG_FILTER_INVALID, ABORTED;
 * everything is closed again then
 */
export async function startAgent(config: AgentConfig, deps: AgentDeps, signal?: AbortSignal): Promise<Agent> {
  const { output, client, clock = systemClock, metrics = createMetrics() } = deps;
  const logger = createLogger({ output, levels: new LogLevels(config.logFilter), clock }, { scope: "cni" });
  await using stack = new AsyncDisposableStack();
  stack.use(exposeProcessMetrics(metrics));
  const readiness = new Readiness();
  const starting = readiness.begin("pods of this node");
  const health = stack.use(createHealthServer(logger.child("cni.health"), config.readinessPort, readiness));
  await health.start(signal);
  const metricsServer = stack.use(createMetricsServer(logger.child("cni.metrics"), config.metricsPort, metrics));
  await metricsServer.start(signal);

  const redirection = await chooseRedirection(config.redirection, logger);
  const records = new NetnsRecords({ logger }, { directory: join(config.runDirectory, "pods") });
  await records.load();
  const informers = stack.use(createInformers({ client, clock, logger, metrics }));
  const onNode = `spec.nodeName=${config.nodeName}`;
  const pods = informers.informer({ resource: RESOURCES.Pod, fieldSelector: onNode, strip: agentsPod });
  const namespaces = informers.informer({ resource: RESOURCES.Namespace });
  await informers.start(signal);

  const ruleDefaults = ruleDefaultsOf(config);
  const enrolment = stack.use(
    new Enrolment(
      {
        client,
        pods: pods.store,
        namespaces: namespaces.store,
        records,
        redirection,
        ruleDefaults,
        clock,
        logger,
        metrics,
      },
      config,
    ),
  );
  await enrolment.start();
  const probes = await markProbes(
    { addresses: () => enrolment.addresses(), redirection, hasIpv6: ruleDefaults.hasIpv6, clock, logger, metrics },
    config,
  );
  stack.use(probes);
  if (probes) enrolment.tellOfChanges(() => probes.update());
  const plugin = stack.use(
    new PluginServer(
      { sink: enrolment.sandboxes, clock, logger: logger.child("cni.plugin"), metrics },
      { path: config.pluginSocket },
    ),
  );
  await plugin.start();
  const installation = stack.use(await keepInstalled({ clock, logger, metrics }, config, readiness));
  starting[Symbol.dispose]();
  logger.info("pods can join the mesh", { node: config.nodeName, socket: config.zdsSocket });
  const owned = stack.move();
  return {
    servers: { health: health.addresses, metrics: metricsServer.addresses },
    uninstall: async () => installation?.uninstall(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The agent is ready when the runtime calls its plugin. */
async function keepInstalled(
  deps: InstallationDeps,
  config: AgentConfig,
  readiness: Readiness,
): Promise<PluginInstallation | undefined> {
  if (!config.install) return undefined;
  const installing = readiness.begin("CNI plugin of this node");
  const installation = await startInstallation(deps, config, config.install);
  void installation.whenInstalled.then(() => installing[Symbol.dispose]());
  return installation;
}

/** Pods can join without: only probes of those that deny plaintext fail. */
async function markProbes(setup: ProbeMarkingSetup, config: AgentConfig): Promise<AgentProbeMarking | undefined> {
  try {
    return await startProbeMarking(setup, config);
  } catch (error) {
    if (!linuxErrors.is(error)) throw error;
    setup.logger.error("health probes can't be marked; those of pods that deny plaintext will fail", { error });
    return undefined;
  }
}

function ruleDefaultsOf(config: AgentConfig): RuleDefaults {
  return {
    hasDnsCapture: config.isDnsCaptured,
    // Rules for IPv6 can't even be written where the kernel has none.
    hasIpv6: config.isIpv6Enabled && readSysctl(hostNetns(), "net/ipv6/conf/all/disable_ipv6") !== undefined,
    probeSource: config.probeSource,
    hasProbeHopCheck: config.hasProbeHopCheck,
  };
}
