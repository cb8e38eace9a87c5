// SPDX-License-Identifier: Apache-2.0
// A mesh of any size, made of numbers: 50 namespaces, ten pods for each service, 100 pods on each node.

export interface MeshSize {
  readonly pods: number;
  readonly services: number;
}

const NAMESPACES = 50;
const PODS_PER_NODE = 100;
export const CREATED = "2026-01-01T00:00:00Z";
/** The node proxy whose certificates are asked for. */
export const NODE_PROXY = { namespace: "istio-system", account: "ztunnel", pod: "ztunnel-n0", uid: "ztunnel-n0-uid" };

const namespaceOf = (at: number): string => `ns${at % NAMESPACES}`;

/** A pod; `revision` makes it another one. */
export function pod(at: number, size: MeshSize, revision = "r0"): object {
  const app = `app${at % size.services}`;
  const [a, b] = [(at >> 8) & 0xff, at & 0xff];
  const ip = `10.${(at >> 16) & 0xff}.${a}.${b}`;
  return {
    metadata: {
      name: `${app}-${at}`,
      namespace: namespaceOf(at % size.services),
      uid: `uid-${at}`,
      creationTimestamp: CREATED,
      labels: { app, "app.kubernetes.io/version": revision },
      annotations: { "ambient.istio.io/redirection": "enabled" },
    },
    spec: {
      nodeName: `n${Math.floor(at / PODS_PER_NODE)}`,
      serviceAccountName: "default",
      containers: [{ name: "app", image: "app:1", ports: [{ name: "http", containerPort: 8080 }] }],
    },
    status: { phase: "Running", podIP: ip, podIPs: [{ ip }], conditions: [{ type: "Ready", status: "True" }] },
  };
}

function service(at: number): object {
  return {
    metadata: { name: `app${at}`, namespace: namespaceOf(at), uid: `s${at}`, creationTimestamp: CREATED },
    spec: {
      clusterIP: `10.${128 + ((at >> 16) & 0x3f)}.${(at >> 8) & 0xff}.${at & 0xff}`,
      selector: { app: `app${at}` },
      ports: [{ name: "http", port: 80, targetPort: 8080 }],
    },
  };
}

function nodeProxy(): object {
  const { namespace, account, pod: name, uid } = NODE_PROXY;
  return {
    metadata: { name, namespace, uid, creationTimestamp: CREATED },
    spec: { nodeName: "n0", serviceAccountName: account, containers: [] },
    status: { phase: "Running", podIP: "192.168.0.1", podIPs: [{ ip: "192.168.0.1" }] },
  };
}

/** What the API has of each kind, by the last part of its path. */
export function objectsOf(size: MeshSize): Readonly<Record<string, readonly object[]>> {
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at);
  return {
    namespaces: [...numbers(NAMESPACES).map((at) => `ns${at}`), "istio-system"].map((name) => ({ metadata: { name } })),
    nodes: numbers(Math.ceil(size.pods / PODS_PER_NODE)).map((at) => ({
      metadata: {
        name: `n${at}`,
        labels: { "topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": `z${at % 3}` },
      },
    })),
    services: numbers(size.services).map(service),
    pods: [...numbers(size.pods).map((at) => pod(at, size)), nodeProxy()],
  };
}
