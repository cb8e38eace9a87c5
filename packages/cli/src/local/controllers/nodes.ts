// SPDX-License-Identifier: Apache-2.0
import { arch } from "node:os";
import { KEYS } from "@ambientmesh/api";
import { RESOURCES, type KubeClient } from "@ambientmesh/kube";
import { NODES, REGION, podSubnet, type NodeSpec } from "../topology.ts";

/** Node.js' names of processors as Kubernetes spells them. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };
const CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane";

/** Makes the Node objects of all nodes; ready at once, since a namespace needs no time to get there. */
export async function registerNodes(client: KubeClient, now: string): Promise<void> {
  for (const node of NODES) {
    const isControlPlane = node.role === "control-plane";
    await client.create(RESOURCES.Node, {
      metadata: { name: node.name, labels: labelsOf(node) },
      spec: {
        podCIDR: podSubnet(node),
        podCIDRs: [podSubnet(node)],
        ...(isControlPlane && { taints: [{ key: CONTROL_PLANE_LABEL, effect: "NoSchedule" }] }),
      },
      status: {
        addresses: [
          { type: "InternalIP", address: node.address },
          { type: "Hostname", address: node.name },
        ],
        conditions: [
          {
            type: "Ready",
            status: "True",
            reason: "KubeletReady",
            message: "the local kubelet is running",
            lastTransitionTime: now,
          },
        ],
      },
    });
  }
}

function labelsOf(node: NodeSpec): Readonly<Record<string, string>> {
  return {
    "kubernetes.io/hostname": node.name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": ARCHITECTURES[arch()] ?? arch(),
    [KEYS.REGION]: REGION,
    [KEYS.ZONE]: node.zone,
    ...(node.role === "control-plane" && { [CONTROL_PLANE_LABEL]: "" }),
  };
}
