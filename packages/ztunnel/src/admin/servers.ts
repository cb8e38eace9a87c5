// SPDX-License-Identifier: Apache-2.0
import type { Clock, Logger } from "@ambientmesh/core";
import { hostNetns, isIpv6Enabled } from "@ambientmesh/linux";
import {
  createAdminServer,
  jsonRoute,
  loggingRoute,
  loopback,
  metricsRoutes,
  quitRoute,
  readinessRoute,
  type AdminListener,
  type AdminServer,
  type LogLevels,
  type MetricsRegistry,
  type Readiness,
} from "@ambientmesh/telemetry";
import type { ZtunnelConfig } from "../config/model.ts";
import { pprofRoutes } from "./pprof-routes.ts";

type Ports = Pick<ZtunnelConfig, "adminPort" | "statsPort" | "readinessPort" | "isIpv6Enabled">;

function everywhere(port: number, config: Ports): readonly AdminListener[] {
  return [{ host: config.isIpv6Enabled && isIpv6Enabled(hostNetns()) ? "::" : "0.0.0.0", port }];
}

/** 15021: whether this proxy may be relied on. */
export function createReadinessServer(logger: Logger, config: Ports, readiness: Readiness): AdminServer {
  return createAdminServer(
    { logger },
    { listeners: everywhere(config.readinessPort, config), routes: [readinessRoute(readiness)] },
  );
}

/** 15020: metrics. */
export function createStatsServer(logger: Logger, config: Ports, metrics: MetricsRegistry): AdminServer {
  return createAdminServer(
    { logger },
    { listeners: everywhere(config.statsPort, config), routes: metricsRoutes(metrics) },
  );
}

/** 15000, for operators on the machine itself. */
export function createOperatorServer(
  logger: Logger,
  config: Ports,
  parts: {
    readonly levels: LogLevels;
    readonly clock: Clock;
    readonly dump: () => unknown;
    readonly onQuit: () => void;
  },
): AdminServer {
  const { levels, clock, dump, onQuit } = parts;
  return createAdminServer(
    { logger },
    {
      listeners: loopback(config.adminPort),
      title: "ztunnel",
      routes: [
        jsonRoute({
          path: "/config_dump",
          description: "what this proxy knows: workloads, services, policies, certificates, pods",
          dump,
        }),
        loggingRoute(levels),
        ...pprofRoutes(clock),
        quitRoute(onQuit),
      ],
    },
  );
}
