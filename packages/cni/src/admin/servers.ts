// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "@ambientmesh/core";
import { hostNetns, isIpv6Enabled } from "@ambientmesh/linux";
import {
  createAdminServer,
  metricsRoutes,
  readinessRoute,
  type AdminListener,
  type AdminRoute,
  type AdminServer,
  type MetricsRegistry,
  type Readiness,
} from "@ambientmesh/telemetry";

function everywhere(port: number): readonly AdminListener[] {
  return [{ host: isIpv6Enabled(hostNetns()) ? "::" : "0.0.0.0", port }];
}

const ALIVE: AdminRoute = {
  path: "/healthz",
  methods: ["GET"],
  description: "liveness",
  handle: () => ({ body: "ok\n" }),
};

/** `/readyz`: pods can be taken into the mesh. `/healthz`: the process runs. */
export function createHealthServer(logger: Logger, port: number, readiness: Readiness): AdminServer {
  return createAdminServer(
    { logger },
    { listeners: everywhere(port), routes: [readinessRoute(readiness, "/readyz"), ALIVE] },
  );
}

/** `/metrics`. */
export function createMetricsServer(logger: Logger, port: number, metrics: MetricsRegistry): AdminServer {
  return createAdminServer({ logger }, { listeners: everywhere(port), routes: metricsRoutes(metrics) });
}
