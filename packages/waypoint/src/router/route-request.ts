// SPDX-License-Identifier: Apache-2.0
import type { Exchange } from "../http/exchange.ts";
import type { CompiledRoute } from "../route/route-table.ts";
import type { ClusterChoice, Forward } from "../route/forward.ts";
import { Forwarding, type RouterDeps, type RouterOptions } from "./forwarding.ts";

/** The last filter: answers by a direct response or a redirect, or forwards to the chosen cluster. */
export function routeRequest(
  exchange: Exchange,
  choice: ClusterChoice | undefined,
  deps: RouterDeps,
  options: RouterOptions & { readonly upgrades: ReadonlyMap<string, boolean> },
): void {
  const { route } = exchange;
  if (!route) return exchange.reply({ status: 404, body: "", details: "route_not_found", flag: "NR" });
  const { target } = route;
  switch (target.kind) {
    case "direct":
      return exchange.reply({ status: target.status, body: target.body, details: "direct_response" });
    case "redirect": {
      const location = target.location(exchange.head);
      const headers = [["location", location]] as const;
      return exchange.reply({ status: target.status, body: "", details: "direct_response", headers });
    }
    case "forward":
      return forward(exchange, { route, target, choice: choice ?? { cluster: "" } }, deps, options);
  }
}

function forward(
  exchange: Exchange,
  {
    route,
    target,
    choice,
  }: { readonly route: CompiledRoute; readonly target: Forward; readonly choice: ClusterChoice },
  deps: RouterDeps,
  options: RouterOptions & { readonly upgrades: ReadonlyMap<string, boolean> },
): void {
  const { upgrade } = exchange.head;
  if (upgrade !== undefined && !(target.upgrades.get(upgrade) ?? options.upgrades.get(upgrade) ?? false)) {
    return exchange.reply({ status: 403, body: "", details: "upgrade_failed" });
  }
  const cluster = deps.clusters(choice.cluster);
  if (!cluster) {
    exchange.record.cluster = "";
    return exchange.reply({ status: target.clusterNotFoundStatus, body: "", details: "cluster_not_found", flag: "NC" });
  }
  new Forwarding({ exchange, route, target, choice, cluster }, deps, options).start();
}
