// SPDX-License-Identifier: Apache-2.0
import { Bootstrap_DynamicResourcesSchema, type Bootstrap } from "@ambientmesh/api/envoy/bootstrap";
import { ApiConfigSource_ApiType as ApiType, type ConfigSource } from "@ambientmesh/api/envoy/core";
import { compileEndpoints } from "../cluster/compile-cluster.ts";
import { hostKey } from "../cluster/host.ts";
import { invalid, unsupported } from "./refusal.ts";
import { checkResource } from "./resource-types.ts";

const PATH = "dynamic_resources";

/**
 * "host:port" of the control plane that a bootstrap names: the first endpoint of the static cluster in `ads_config`.
 * Undefined where there are no dynamic resources.
 * @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED
 */
export function adsAddress({ dynamicResources: dynamic, staticResources }: Bootstrap): string | undefined {
  if (!dynamic) return undefined;
  checkResource(Bootstrap_DynamicResourcesSchema, dynamic, PATH);
  requireAds(dynamic.cdsConfig, `${PATH}.cds_config`);
  requireAds(dynamic.ldsConfig, `${PATH}.lds_config`);
  const { adsConfig } = dynamic;
  if (adsConfig?.apiType !== ApiType.DELTA_GRPC)
    throw unsupported(`${PATH}.ads_config.api_type`, "has to be DELTA_GRPC");
  const at = `${PATH}.ads_config.grpc_services[0]`;
  const target = adsConfig.grpcServices[0]?.targetSpecifier;
  if (target?.case !== "envoyGrpc") throw unsupported(at, "has no envoy_grpc");
  const name = target.value.clusterName;
  const cluster = staticResources?.clusters.find((known) => known.name === name);
  const [host] = cluster?.loadAssignment ? compileEndpoints(cluster.loadAssignment).hosts : [];
  if (!host) throw invalid(`${at}.envoy_grpc.cluster_name`, `is ${name}, which is no static cluster with an endpoint`);
  return hostKey(host);
}

function requireAds(source: ConfigSource | undefined, path: string): void {
  if (source?.configSourceSpecifier.case !== "ads") throw unsupported(path, "has to be ads");
}
