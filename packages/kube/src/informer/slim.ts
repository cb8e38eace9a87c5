// SPDX-License-Identifier: Apache-2.0
import type { Container, Node, Pod, PodSpec, PodStatus } from "@ambientmesh/api/kubernetes";

/**
 * A pod reduced to what routing and enrolment read: identity, labels, placement, addresses, readiness, ports.
 * For the `strip` of an informer over many pods.
 */
export function slimPod(pod: Pod): Pod {
  const { apiVersion, kind, metadata, spec, status } = pod;
  return {
    apiVersion,
    kind,
    metadata,
    spec: slimSpec(spec),
    ...(status !== undefined && { status: slimStatus(status) }),
  };
}

function slimSpec(spec: PodSpec): PodSpec {
  const { nodeName, serviceAccountName, hostNetwork, hostname, subdomain, containers, initContainers } = spec;
  return {
    containers: containers.map(slimContainer),
    // Of init containers only those that go on running (sidecars) have ports to speak of.
    ...(initContainers?.some(isSidecar) && { initContainers: initContainers.filter(isSidecar).map(slimContainer) }),
    ...(nodeName !== undefined && { nodeName }),
    ...(serviceAccountName !== undefined && { serviceAccountName }),
    ...(hostNetwork === true && { hostNetwork }),
    ...(hostname !== undefined && { hostname }),
    ...(subdomain !== undefined && { subdomain }),
  };
}

const isSidecar = ({ restartPolicy }: Container): boolean => restartPolicy === "Always";

function slimContainer({ name, ports, restartPolicy }: Container): Container {
  return { name, ...(ports !== undefined && { ports }), ...(restartPolicy !== undefined && { restartPolicy }) };
}

function slimStatus({ phase, hostIP, podIP, podIPs, conditions }: PodStatus): PodStatus {
  const ready = conditions?.find((condition) => condition.type === "Ready");
  return {
    ...(phase !== undefined && { phase }),
    ...(hostIP !== undefined && { hostIP }),
    ...(podIP !== undefined && { podIP }),
    ...(podIPs !== undefined && { podIPs }),
    ...(ready !== undefined && { conditions: [{ type: ready.type, status: ready.status }] }),
  };
}

/** A node reduced to labels and addresses: its list of images alone may be larger than all the rest. */
export function slimNode(node: Node): Node {
  const { apiVersion, kind, metadata, spec, status } = node;
  return {
    apiVersion,
    kind,
    metadata,
    ...(spec !== undefined && { spec }),
    ...(status?.addresses !== undefined && { status: { addresses: status.addresses } }),
  };
}
