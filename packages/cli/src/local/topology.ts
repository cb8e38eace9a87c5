// SPDX-License-Identifier: Apache-2.0

/** A node of a local mesh: a network namespace with an address on the network between the nodes. */
export interface NodeSpec {
  readonly name: string;
  /** On the fabric, and as seen in the Kubernetes API. */
  readonly address: string;
  /** Pods on it have the addresses .2 to .254. */
  readonly podPrefix: string;
  readonly role: "control-plane" | "worker";
  readonly zone: string;
}

/** Addresses of a local mesh. They live in its own namespaces, so that two meshes may use the same ones. */
export const SUBNETS = {
  nodes: "10.99.0.0/24",
  pods: "10.244.0.0/16",
  services: "10.96.0.0/16",
} as const;

/** The next hop of every pod: its node's end of the cable answers to it. */
export const POD_GATEWAY = "169.254.1.1";
/** `kubernetes.default`, as in most clusters the first address of the services. */
export const API_SERVICE_ADDRESS = "10.96.0.1";
/** `kube-dns.kube-system`, where pods' resolvers ask. */
export const DNS_SERVICE_ADDRESS = "10.96.0.10";
export const API_PORT = 6443;
export const DNS_PORT = 53;
export const CLUSTER_DOMAIN = "cluster.local";
export const REGION = "local";

/** Runs istiod, and carries the API server's and the DNS server's sockets. */
export const CONTROL_PLANE: NodeSpec = {
  name: "control-plane",
  address: "10.99.0.1",
  podPrefix: "10.244.0.",
  role: "control-plane",
  zone: "zone-0",
};

/** The nodes that carry pods. */
export const WORKERS: readonly NodeSpec[] = [1, 2].map((number) => ({
  name: `node${number}`,
  address: `10.99.0.${10 + number}`,
  podPrefix: `10.244.${number}.`,
  role: "worker",
  zone: `zone-${number}`,
}));

export const NODES: readonly NodeSpec[] = [CONTROL_PLANE, ...WORKERS];

/** "10.244.1.0/24" */
export function podSubnet({ podPrefix }: NodeSpec): string {
  return `${podPrefix}0/24`;
}
