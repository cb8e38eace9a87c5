// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS, PORTS } from "@ambientmesh/api";
import type { Container, Deployment, EnvVar, Pod, PodSpec, Volume } from "@ambientmesh/api/kubernetes";
import { OWN_DIRECTORY } from "../kubelet/node-sandbox.ts";
import type { Place } from "../run-directory/place.ts";
import { CONTROL_PLANE, type NodeSpec } from "../topology.ts";
import { ACCOUNT_DIRECTORY, KUBECONFIG_DIRECTORY } from "./initial-objects.ts";
import {
  ACCOUNTS,
  API_ROOT_MAP,
  CNI_LABELS,
  ISTIOD_LABELS,
  KUBECONFIG_MAP,
  SYSTEM_NAMESPACE,
  ZTUNNEL_LABELS,
  cniName,
  ztunnelName,
} from "./system-names.ts";

/** What the mesh's own pods are made with. */
export interface SystemPodOptions {
  readonly place: Place;
  readonly command: readonly [string, ...string[]];
  /** Lifetime asked for in certificate requests, as in `24h`. */
  readonly secretTtl: string;
  readonly logLevel: string;
}

const ISTIOD_GRACE_SECONDS = 5;
const ZTUNNEL_GRACE_SECONDS = 5;
const CNI_GRACE_SECONDS = 5;
/** Istio's charts: half a day. */
const TOKEN_SECONDS = 43_200;
/** The agent's port for probes, as in Istio. */
const CNI_READINESS_PORT = 8000;

/** Where a node's agent and proxy talk to each other. */
export function zdsSocket(place: Place, node: string): string {
  return `${place.node(node)}/ztunnel/ztunnel.sock`;
}

/** Where a node's agent keeps its socket for the CNI plugin, and what it installs. */
export function cniRunDirectory(place: Place, node: string): string {
  return `${place.node(node)}/cni`;
}

/** istiod as Istio's chart runs it, but in the node's own network. */
export function istiodDeployment({ command, logLevel }: SystemPodOptions): Deployment {
  const container: Container = {
    name: "discovery",
    command,
    args: [
      "discovery",
      "--kubeconfig",
      `.${KUBECONFIG_DIRECTORY}/kubeconfig`,
      "--log_output_level",
      logLevel,
      "--log_as_json=false",
      "--shutdownDuration",
      "2s",
    ],
    env: [
      field("POD_NAME", "metadata.name"),
      field("POD_NAMESPACE", "metadata.namespace"),
      field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
      value("CLUSTER_ID", DEFAULTS.CLUSTER_ID),
      value("PILOT_ENABLE_AMBIENT", "true"),
      value("CA_TRUSTED_NODE_ACCOUNTS", `${SYSTEM_NAMESPACE}/${ACCOUNTS.ztunnel}`),
      // One replica; waiting for the lease of one that was killed would take half a minute.
      value("ENABLE_LEADER_ELECTION", "false"),
    ],
    readinessProbe: { httpGet: { path: "/ready", port: PORTS.ISTIOD_HTTP }, periodSeconds: 1 },
    volumeMounts: accessMounts(),
  };
  const spec: PodSpec = {
    serviceAccountName: ACCOUNTS.istiod,
    hostNetwork: true,
    dnsPolicy: "ClusterFirstWithHostNet",
    nodeSelector: { "kubernetes.io/hostname": CONTROL_PLANE.name },
    tolerations: [{ operator: "Exists" }],
    terminationGracePeriodSeconds: ISTIOD_GRACE_SECONDS,
    containers: [container],
    volumes: accessVolumes(),
  };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace: SYSTEM_NAMESPACE, name: "istiod", labels: ISTIOD_LABELS },
    spec: {
      replicas: 1,
      selector: { matchLabels: ISTIOD_LABELS },
      // Two can't listen on the same ports of one node.
      strategy: { type: "Recreate" },
      template: { metadata: { labels: ISTIOD_LABELS, annotations: { [OWN_DIRECTORY]: "true" } }, spec },
    },
  };
}

/** The proxy of a node, with the environment and volumes of Istio's chart. */
export function ztunnelPod(node: NodeSpec, options: SystemPodOptions): Pod {
  const address = `https://istiod.${SYSTEM_NAMESPACE}.svc:${PORTS.ISTIOD_SECURE_GRPC}`;
  const container: Container = {
    name: "istio-proxy",
    command: options.command,
    args: ["proxy", "ztunnel"],
    env: [
      value("CA_ADDRESS", address),
      value("XDS_ADDRESS", address),
      value("RUST_LOG", options.logLevel),
      value("ISTIO_META_CLUSTER_ID", DEFAULTS.CLUSTER_ID),
      value("TERMINATION_GRACE_PERIOD_SECONDS", String(ZTUNNEL_GRACE_SECONDS)),
      value("SECRET_TTL", options.secretTtl),
      value("INPOD_UDS", zdsSocket(options.place, node.name)),
      field("POD_NAME", "metadata.name"),
      field("POD_NAMESPACE", "metadata.namespace"),
      field("NODE_NAME", "spec.nodeName"),
      field("INSTANCE_IP", "status.podIP"),
      field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
    ],
    readinessProbe: { httpGet: { path: "/healthz/ready", port: PORTS.READINESS }, periodSeconds: 1 },
    volumeMounts: [
      { name: "istio-token", mountPath: "/var/run/secrets/tokens" },
      { name: "istiod-ca-cert", mountPath: "/var/run/secrets/istio" },
    ],
  };
  const volumes: readonly Volume[] = [
    {
      name: "istio-token",
      projected: {
        sources: [
          {
            serviceAccountToken: {
              audience: DEFAULTS.TOKEN_AUDIENCE,
              expirationSeconds: TOKEN_SECONDS,
              path: "istio-token",
            },
          },
        ],
      },
    },
    { name: "istiod-ca-cert", configMap: { name: DEFAULTS.ROOT_CERT_CONFIGMAP } },
  ];
  return daemonPod(node, ztunnelName(node.name), {
    labels: ZTUNNEL_LABELS,
    spec: {
      serviceAccountName: ACCOUNTS.ztunnel,
      dnsPolicy: "ClusterFirstWithHostNet",
      terminationGracePeriodSeconds: ZTUNNEL_GRACE_SECONDS,
      containers: [container],
      volumes,
    },
  });
}

/** The CNI agent of a node. It keeps the machine's resolver, since it has to see namespaces that are mounted later. */
export function cniPod(node: NodeSpec, { place, command, logLevel }: SystemPodOptions): Pod {
  const container: Container = {
    name: "install-cni",
    command,
    env: [
      field("NODE_NAME", "spec.nodeName"),
      field("POD_NAME", "metadata.name"),
      field("POD_NAMESPACE", "metadata.namespace"),
      value("KUBECONFIG", `.${KUBECONFIG_DIRECTORY}/kubeconfig`),
      value("LOG_LEVEL", logLevel),
      value("ZTUNNEL_UDS_ADDRESS", zdsSocket(place, node.name)),
      value("CNI_AGENT_RUN_DIR", cniRunDirectory(place, node.name)),
      value("CNI_NETNS_DIR", place.netnsDirectory),
      value("HOST_PROC", "/proc"),
      // A node is a network namespace here; the first process is the machine's.
      value("ALLOW_SWITCH_TO_HOST_NS", "false"),
      // The plugin is called by the local mesh itself.
      value("INSTALL_CNI_PLUGIN", "false"),
      value("AMBIENT_DNS_CAPTURE", "true"),
    ],
    readinessProbe: { httpGet: { path: "/readyz", port: CNI_READINESS_PORT }, periodSeconds: 1 },
    volumeMounts: accessMounts(),
  };
  return daemonPod(node, cniName(node.name), {
    labels: CNI_LABELS,
    spec: {
      serviceAccountName: ACCOUNTS.cni,
      dnsPolicy: "Default",
      terminationGracePeriodSeconds: CNI_GRACE_SECONDS,
      containers: [container],
      volumes: accessVolumes(),
    },
  });
}

function daemonPod(
  node: NodeSpec,
  name: string,
  { labels, spec }: { readonly labels: Readonly<Record<string, string>>; readonly spec: PodSpec },
): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: SYSTEM_NAMESPACE, name, labels, annotations: { [OWN_DIRECTORY]: "true" } },
    spec: { ...spec, nodeName: node.name, hostNetwork: true, tolerations: [{ operator: "Exists" }] },
  };
}

function value(name: string, text: string): EnvVar {
  return { name, value: text };
}

function field(name: string, fieldPath: string): EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

/** What a pod needs to reach the API server: in a cluster the kubelet adds the first of these by itself. */
function accessVolumes(): readonly Volume[] {
  return [
    {
      name: "kube-api-access",
      projected: {
        sources: [
          { serviceAccountToken: { path: "token" } },
          { configMap: { name: API_ROOT_MAP } },
          { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
        ],
      },
    },
    { name: "kubeconfig", configMap: { name: KUBECONFIG_MAP } },
  ];
}

function accessMounts(): NonNullable<Container["volumeMounts"]> {
  return [
    { name: "kube-api-access", mountPath: ACCOUNT_DIRECTORY },
    { name: "kubeconfig", mountPath: KUBECONFIG_DIRECTORY },
  ];
}
