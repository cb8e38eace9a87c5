// SPDX-License-Identifier: Apache-2.0
import { ClusterSchema, type Cluster } from "@ambientmesh/api/envoy/cluster";
import { ClusterLoadAssignmentSchema, type ClusterLoadAssignment } from "@ambientmesh/api/envoy/endpoint";
import { RouteConfigurationSchema, type RouteConfiguration } from "@ambientmesh/api/envoy/route";
import { equals } from "@bufbuild/protobuf";
import { UpstreamCluster, type ClusterDeps } from "../cluster/cluster.ts";
import { compileCluster, compileEndpoints, type EndpointsConfig } from "../cluster/compile-cluster.ts";
import { checkResource } from "../config/resource-types.ts";
import { compileRouteTable, type RouteTable } from "../route/route-table.ts";

/** Clusters, endpoints and routes by name, compiled. Each setter leaves the last good resource if the new one is refused. */
export class ProxyState implements Disposable {
  readonly #deps: ClusterDeps;
  readonly #clusters = new Map<string, UpstreamCluster>();
  readonly #endpoints = new Map<string, EndpointsConfig>();
  readonly #routes = new Map<string, RouteTable>();

  constructor(deps: ClusterDeps) {
    this.#deps = deps;
  }

  readonly cluster = (name: string): UpstreamCluster | undefined => this.#clusters.get(name);
  readonly routes = (name: string): RouteTable | undefined => this.#routes.get(name);

  /** Every cluster there is. */
  get clusters(): Iterable<UpstreamCluster> {
    return this.#clusters.values();
  }

  /** Names of the endpoints that clusters ask for. */
  get endpointNames(): ReadonlySet<string> {
    return new Set([...this.#clusters.values()].flatMap(({ config }) => config.edsName ?? []));
  }

  /** One that did not change keeps its connections. @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
  setCluster(cluster: Cluster): void {
    const known = this.#clusters.get(cluster.name);
    if (known && equals(ClusterSchema, known.config.source, cluster)) return;
    checkResource(ClusterSchema, cluster);
    const config = compileCluster(cluster);
    const endpoints = config.edsName === undefined ? undefined : this.#endpoints.get(config.edsName);
    this.#clusters.set(cluster.name, new UpstreamCluster(endpoints ? { ...config, endpoints } : config, this.#deps));
    known?.[Symbol.dispose]();
  }

  /** Requests under way end as they will; new ones find no cluster. */
  removeCluster(name: string): void {
    this.#clusters.get(name)?.[Symbol.dispose]();
    this.#clusters.delete(name);
  }

  /** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
  setEndpoints(assignment: ClusterLoadAssignment): void {
    checkResource(ClusterLoadAssignmentSchema, assignment);
    const endpoints = compileEndpoints(assignment);
    this.#endpoints.set(assignment.clusterName, endpoints);
    this.#apply(assignment.clusterName, endpoints);
  }

  removeEndpoints(name: string): void {
    this.#endpoints.delete(name);
    this.#apply(name, { hosts: [], overprovisioning: 140 });
  }

  /** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
  setRoutes(config: RouteConfiguration): void {
    checkResource(RouteConfigurationSchema, config);
    this.#routes.set(config.name, compileRouteTable(config, ""));
  }

  removeRoutes(name: string): void {
    this.#routes.delete(name);
  }

  [Symbol.dispose](): void {
    for (const cluster of this.#clusters.values()) cluster.destroy();
    this.#clusters.clear();
  }

  #apply(edsName: string, endpoints: EndpointsConfig): void {
    for (const cluster of this.#clusters.values()) if (cluster.config.edsName === edsName) cluster.update(endpoints);
  }
}
