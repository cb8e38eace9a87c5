// SPDX-License-Identifier: Apache-2.0
import { networkInterfaces } from "node:os";
import type { Clock, Logger } from "@ambientmesh/core";
import {
  createAdminServer,
  indexRoute,
  metricsRoutes,
  readinessRoute,
  type AdminRoute,
  type AdminServer,
  type MetricsRegistry,
  type Readiness,
} from "@ambientmesh/telemetry";
import type { ListenAddress } from "../config/listen-address.ts";

export interface AdminServersDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly readiness: Readiness;
  readonly version: string;
  readonly debugRoutes: readonly AdminRoute[];
}

export interface AdminServersOptions {
  readonly http: ListenAddress | undefined;
  /** Without it, its routes are served on `http`. */
  readonly monitoring: ListenAddress | undefined;
}

/** The HTTP servers for operators, probes and Prometheus. */
export interface AdminServers {
  readonly http: AdminServer | undefined;
  readonly monitoring: AdminServer | undefined;
}

export function createAdminServers(deps: AdminServersDeps, { http, monitoring }: AdminServersOptions): AdminServers {
  const debug = [...deps.debugRoutes, debugIndex(deps.debugRoutes)];
  const own = [readinessRoute(deps.readiness, "/ready"), ...debug];
  const measured = monitoringRoutes(deps);
  const serve = (address: ListenAddress | undefined, routes: readonly AdminRoute[]): AdminServer | undefined =>
    address && createAdminServer(deps, { listeners: [bindable(address)], routes, title: "istiod" });
  return {
    http: serve(http, monitoring ? own : [...own, ...measured]),
    monitoring: serve(monitoring, [...measured, ...debug]),
  };
}

/** An address that a socket can bind: "all addresses" means IPv6 and IPv4 where the machine has both. */
export function bindable({ host, port }: ListenAddress): ListenAddress {
  if (host !== "") return { host, port };
  const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === "IPv6"),
  );
  return { host: hasIPv6 ? "::" : "0.0.0.0", port };
}

function monitoringRoutes({ metrics, version }: AdminServersDeps): AdminRoute[] {
  const handle = (): { body: string } => ({ body: `${version}\n` });
  return [...metricsRoutes(metrics), { path: "/version", methods: ["GET"], description: "version", handle }];
}

function debugIndex(routes: readonly AdminRoute[]): AdminRoute {
  return { ...indexRoute("istiod debug pages", routes), path: "/debug", description: "list of debug pages" };
}
