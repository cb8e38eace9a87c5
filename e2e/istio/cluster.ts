// SPDX-License-Identifier: Apache-2.0
import type { TestNetwork, TestPod } from "@ambientmesh/testkit";
import { ISTIO_DEFINITIONS } from "@ambientmesh/api/istio";
import { RESOURCES } from "@ambientmesh/kube";
import { vi } from "vitest";
import { ISTIO_DEFINITIONS as OPEN_DEFINITIONS } from "../../packages/istiod/test/support/istio-definitions.ts";
import { applyYaml, namespaceYaml } from "../../packages/istiod/test/support/mesh.ts";
import { startRealKube, type RealKube } from "../../packages/istiod/test/support/real-kube.ts";

export const SYSTEM = "istio-system";
/** Where the ClusterIP of `server` is. */
export const VIP = "10.96.77.7";

/** The ztunnel pod of a node. */
export const ztunnelOf = (node: string): string => `ztunnel-${node}`;

/** A pod's identity. */
export const idOf = (pod: string): string => `spiffe://cluster.local/ns/default/sa/${pod}`;

/** The kinds of the Gateway API without a schema; Istio wants to know which release of it they are from. */
const GATEWAY_DEFINITIONS = OPEN_DEFINITIONS.filter(({ spec }) => spec.group === "gateway.networking.k8s.io");
const RELEASE = {
  "gateway.networking.k8s.io/bundle-version": "v1.6.0",
  "api-approved.kubernetes.io": "unapproved, for a test",
};
const DEFINITIONS = [...ISTIO_DEFINITIONS, ...GATEWAY_DEFINITIONS];

/** A real API server with our definitions of Istio's kinds. */
export async function startApi(): Promise<RealKube> {
  const kube = await startRealKube();
  try {
    for (const { metadata, ...definition } of DEFINITIONS) {
      const annotated = { ...definition, metadata: { ...metadata, annotations: RELEASE } };
      await kube.client.create(RESOURCES.CustomResourceDefinition, annotated);
    }
    await vi.waitFor(() => checkDefinitions(kube), { timeout: 20_000, interval: 100 });
    return kube;
  } catch (error) {
    await kube[Symbol.asyncDispose]();
    throw error;
  }
}

async function checkDefinitions({ client }: RealKube): Promise<void> {
  for (const { metadata } of DEFINITIONS) {
    const { status } = await client.get(RESOURCES.CustomResourceDefinition, { name: metadata.name });
    if (status?.conditions?.some(({ type, status: is }) => type === "Established" && is === "True")) continue;
    throw new Error(`${metadata.name} is not served yet`);
  }
}

/**
 * An API that holds a network as kubelets would report it.
 *
 * @param stage "scheduled": pods have no addresses yet, and no agent has seen them
 */
export async function startCluster(network: TestNetwork, stage: PodStage = "enrolled"): Promise<RealKube> {
  const kube = await startApi();
  try {
    await applyYaml(kube.client, objectsOf(network, stage));
    return kube;
  } catch (error) {
    await kube[Symbol.asyncDispose]();
    throw error;
  }
}

/** Pods whose names begin with "plain" are outside the mesh. */
export const isPlain = (name: string): boolean => name.startsWith("plain");

function objectsOf({ nodes, pods }: TestNetwork, stage: PodStage): string {
  return [
    namespaceYaml(SYSTEM, "ztunnel"),
    ...pods.map(({ name }) => accountYaml(name)),
    ...nodes.map(({ name }) => nodeYaml(name)),
    ...nodes.map((node) => ztunnelYaml(node)),
    ...pods.map((pod) => podYaml(pod, stage)),
    `
apiVersion: v1
kind: Namespace
metadata: { name: default, labels: { istio.io/dataplane-mode: ambient } }
`,
    `
apiVersion: v1
kind: Service
metadata: { name: server, namespace: default }
spec: { clusterIP: ${VIP}, selector: { app: server }, ports: [{ name: tcp, port: 80, targetPort: 8080 }] }
`,
  ].join("---");
}

const accountYaml = (name: string): string => `
apiVersion: v1
kind: ServiceAccount
metadata: { name: ${name}, namespace: default }
`;

/** A node with a place. */
export const nodeYaml = (name: string): string => `
apiVersion: v1
kind: Node
metadata: { name: ${name}, labels: { topology.kubernetes.io/region: r1, topology.kubernetes.io/zone: zone-${name} } }
`;

const ztunnelYaml = ({ name, address }: { readonly name: string; readonly address: string }): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${ztunnelOf(name)}, namespace: ${SYSTEM}, labels: { app: ztunnel } }
spec: { nodeName: ${name}, serviceAccountName: ztunnel, containers: [{ name: istio-proxy, image: none }] }
status: { phase: Running, podIP: ${address}, podIPs: [{ ip: ${address} }], conditions: [{ type: Ready, status: "True" }] }
`;

/** How far a pod has come: it has a node; it runs there; a CNI agent has put it into the mesh. */
export type PodStage = "scheduled" | "running" | "enrolled";

/** A pod as the API holds it. */
export function podYaml({ name, node, address, address6 }: TestPod, stage: PodStage): string {
  const isEnrolled = stage === "enrolled" && !isPlain(name);
  const status = `
status:
  phase: Running
  podIP: ${address}
  podIPs: [{ ip: ${address} }, { ip: "${address6}" }]
  conditions: [{ type: Ready, status: "True" }]
`;
  return `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: default
  labels: { app: ${name}, version: v1 }
  ${isEnrolled ? "annotations: { ambient.istio.io/redirection: enabled }" : ""}
spec: { nodeName: ${node}, serviceAccountName: ${name}, containers: [{ name: main, image: none }] }
${stage === "scheduled" ? "" : status}`;
}
