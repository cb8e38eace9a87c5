// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import type { LeaderTask } from "@ambientmesh/kube";
import type { IstiodConfig } from "../config/config.ts";
import { GatewayController, type GatewayControllerOptions } from "../gateways/gateway-controller.ts";
import { CaBundleWriter } from "../webhook/ca-bundle-writer.ts";
import { AddressAllocator } from "./address-allocator.ts";
import { ConfigMapWriter, type ConfigMapWriterDeps } from "./config-map-writer.ts";
import { ConditionWriter, STATUS_KINDS, type ConditionWriterDeps } from "./condition-writer.ts";
import { revocationsText, rootsText } from "./distributed-text.ts";

export type LeaderTaskDeps = ConditionWriterDeps & Pick<ConfigMapWriterDeps, "keeper">;

/** Everything that one replica at a time writes to the API, until it is told to stop. */
export function leaderTask(deps: LeaderTaskDeps, config: IstiodConfig): LeaderTask {
  const { certificates, givenAddresses, isStatusWritten, namespace, webhookAddress } = config;
  const { rootConfigMap, crlConfigMap } = certificates;
  const { keeper } = deps;
  const { namespaces, serviceEntries } = deps.model.sources;
  const kinds = isStatusWritten ? STATUS_KINDS : [];
  const writers = [
    new ConfigMapWriter({ ...deps, namespaces }, rootsText(rootConfigMap), () => keeper.authority.rootsPem),
    ...(crlConfigMap === undefined
      ? []
      : [new ConfigMapWriter({ ...deps, namespaces }, revocationsText(crlConfigMap), () => keeper.crlPem)]),
    ...kinds.map((kind) => new ConditionWriter(deps, kind)),
    ...(webhookAddress ? [new CaBundleWriter(deps, namespace)] : []),
    new GatewayController({ ...deps, sources: deps.model.sources }, gatewayOptions(config)),
    ...(givenAddresses ? [new AddressAllocator({ ...deps, entries: serviceEntries }, givenAddresses)] : []),
  ];
  return async (signal) => {
    await Promise.all(writers.map((writer) => writer.run(signal)));
  };
}

function gatewayOptions(config: IstiodConfig): GatewayControllerOptions {
  const { waypointImage, clusterId, domain, meshConfig, namespace, revision } = config;
  const host = revision === "" ? "istiod" : `istiod-${revision}`;
  return {
    image: waypointImage,
    clusterId,
    domain,
    trustDomain: meshConfig.trustDomain,
    network: "",
    controlPlane: `${host}.${namespace}.svc:${PORTS.ISTIOD_SECURE_GRPC}`,
  };
}
