// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { NodeSchema, type Node } from "@ambientmesh/api/discovery";
import type { ZtunnelConfig } from "../config/model.ts";

type NodeConfig = Pick<
  ZtunnelConfig,
  "instanceIp" | "podName" | "podNamespace" | "localNode" | "proxyMetadata" | "nodeMetadata"
>;

/** Who this proxy says it is (ztunnel's node id, Istio 1.31; its domain suffix is fixed there too). */
export function nodeOf(config: NodeConfig): Node {
  const { instanceIp, podName = "", podNamespace = "", localNode = "" } = config;
  const metadata = {
    NAME: podName,
    NAMESPACE: podNamespace,
    INSTANCE_IPS: instanceIp,
    NODE_NAME: localNode,
    ...config.proxyMetadata,
    ...config.nodeMetadata,
  };
  return create(NodeSchema, {
    id: `ztunnel~${instanceIp}~${podName}.${podNamespace}~${podNamespace}.svc.cluster.local`,
    metadata,
  });
}
