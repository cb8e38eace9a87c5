// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS, KEYS, PORTS } from "@ambientmesh/api";
import type {
  Container,
  Deployment,
  EnvVar,
  Gateway,
  ObjectMeta,
  Service,
  ServiceAccount,
  ServicePort,
} from "@ambientmesh/api/kubernetes";
import type { AppliedConfiguration } from "@ambientmesh/kube";

/** What the pods of a waypoint are told. */
export interface WaypointOptions {
  readonly image: string;
  readonly clusterId: string;
  readonly domain: string;
  readonly trustDomain: string;
  /** Empty: there is one network. */
  readonly network: string;
  /** "istiod.istio-system.svc:15012". */
  readonly controlPlane: string;
}

/** The objects that make a Gateway a running waypoint (Istio 1.31). */
export interface WaypointObjects {
  readonly serviceAccount: AppliedConfiguration<ServiceAccount>;
  readonly deployment: AppliedConfiguration<Deployment>;
  readonly service: AppliedConfiguration<Service>;
}

/** {@link KEYS.GATEWAY_MANAGED} of what is ours: nothing else is written over. */
export const MANAGED_BY = "istio.io-mesh-controller";

const CLASS_LABEL = "gateway.networking.k8s.io/gateway-class-name";
const TOKEN_SECONDS = 43_200;
const PROXY_USER = 1337;
const HEALTH = { path: "/healthz/ready", port: PORTS.READINESS };
/** Annotations about an object, not for what is made from it. */
const OWN_ANNOTATIONS = /^kubectl\.kubernetes\.io\/|^gateway\.istio\.io\//;

/** ServiceAccount, Deployment and Service of a Gateway of the class istio-waypoint; they go when it goes. */
export function waypointObjects(gateway: Gateway, options: WaypointOptions): WaypointObjects {
  const { name, namespace = "" } = gateway.metadata;
  const account = gateway.metadata.annotations?.[KEYS.GATEWAY_SERVICE_ACCOUNT] ?? name;
  const metadata = metadataOf(gateway, options);
  const selector = { [KEYS.GATEWAY_NAME]: name };
  return {
    serviceAccount: { metadata: { ...metadata, name: account } },
    // Replicas are left out: they belong to the user or to an autoscaler.
    deployment: {
      metadata,
      spec: {
        selector: { matchLabels: selector },
        template: {
          metadata: {
            labels: { ...metadata.labels, ...selector, ...podLabels(name) },
            annotations: {
              ...metadata.annotations,
              "prometheus.io/path": "/stats/prometheus",
              "prometheus.io/port": String(PORTS.STATS),
              "prometheus.io/scrape": "true",
            },
          },
          spec: {
            serviceAccountName: account,
            containers: [container(account, { name, namespace }, options)],
            volumes: VOLUMES,
          },
        },
      },
    },
    service: {
      metadata: {
        ...metadata,
        annotations: { ...metadata.annotations, [KEYS.TRAFFIC_DISTRIBUTION]: "PreferClose" },
      },
      spec: { type: "ClusterIP", ipFamilyPolicy: "PreferDualStack", selector, ports: servicePorts(gateway) },
    },
  };
}

function metadataOf(
  { metadata, spec }: Gateway,
  { network }: WaypointOptions,
): ObjectMeta & { readonly namespace: string } {
  const { name, namespace = "", uid = "" } = metadata;
  const { labels, annotations } = spec.infrastructure ?? metadata;
  const passedOn = Object.entries(annotations ?? {}).filter(([key]) => !OWN_ANNOTATIONS.test(key));
  return {
    name,
    namespace,
    labels: {
      ...(network !== "" && { [KEYS.NETWORK]: network }),
      ...labels,
      [KEYS.GATEWAY_NAME]: name,
      [CLASS_LABEL]: spec.gatewayClassName,
      [KEYS.GATEWAY_MANAGED]: MANAGED_BY,
    },
    annotations: Object.fromEntries(passedOn),
    ownerReferences: [{ apiVersion: "gateway.networking.k8s.io/v1", kind: "Gateway", name, uid }],
  };
}

function podLabels(name: string): Readonly<Record<string, string>> {
  return {
    "sidecar.istio.io/inject": "false",
    [KEYS.DATAPLANE_MODE]: "none",
    [KEYS.CANONICAL_NAME]: name,
    [KEYS.CANONICAL_REVISION]: "latest",
  };
}

/** The status port, then one port for each that listeners have. */
function servicePorts({ spec: { listeners = [] } }: Gateway): ServicePort[] {
  const byPort = new Map(
    listeners.map(({ name, port, protocol }) => [
      port,
      {
        name: name.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-"),
        port,
        protocol: "TCP" as const,
        appProtocol: protocol.toLowerCase(),
      },
    ]),
  );
  const status = { name: "status-port", port: PORTS.READINESS, protocol: "TCP" as const, appProtocol: "tcp" };
  return [status, ...byPort.values()];
}

function container(
  account: string,
  { name, namespace }: { readonly name: string; readonly namespace: string },
  options: WaypointOptions,
): Container {
  return {
    name: "istio-proxy",
    image: options.image,
    args: [
      "proxy",
      "waypoint",
      "--domain",
      `$(POD_NAMESPACE).svc.${options.domain}`,
      "--serviceCluster",
      `${account}.$(POD_NAMESPACE)`,
    ],
    env: environment({ name, namespace }, options),
    ports: [
      { name: "metrics", containerPort: PORTS.STATS, protocol: "TCP" },
      { name: "status-port", containerPort: PORTS.READINESS, protocol: "TCP" },
    ],
    startupProbe: { httpGet: HEALTH, initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: 30 },
    readinessProbe: { httpGet: HEALTH, periodSeconds: 15, failureThreshold: 4 },
    resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { cpu: "2", memory: "1Gi" } },
    securityContext: {
      runAsUser: PROXY_USER,
      runAsGroup: PROXY_USER,
      runAsNonRoot: true,
      privileged: false,
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [
      { name: "istiod-ca-cert", mountPath: "/var/run/secrets/istio" },
      { name: "istio-token", mountPath: "/var/run/secrets/tokens" },
    ],
  };
}

function environment(
  { name, namespace }: { readonly name: string; readonly namespace: string },
  { clusterId, network, trustDomain, controlPlane }: WaypointOptions,
): EnvVar[] {
  const field = (variable: string, fieldPath: string): EnvVar => ({
    name: variable,
    valueFrom: { fieldRef: { fieldPath } },
  });
  return [
    field("POD_NAME", "metadata.name"),
    field("POD_NAMESPACE", "metadata.namespace"),
    field("INSTANCE_IP", "status.podIP"),
    field("HOST_IP", "status.hostIP"),
    field("SERVICE_ACCOUNT", "spec.serviceAccountName"),
    field("ISTIO_META_SERVICE_ACCOUNT", "spec.serviceAccountName"),
    field("ISTIO_META_NODE_NAME", "spec.nodeName"),
    { name: "CA_ADDR", value: controlPlane },
    { name: "TRUST_DOMAIN", value: trustDomain },
    { name: "ISTIO_META_CLUSTER_ID", value: clusterId },
    ...(network === "" ? [] : [{ name: "ISTIO_META_NETWORK", value: network }]),
    { name: "ISTIO_META_INTERCEPTION_MODE", value: "REDIRECT" },
    { name: "ISTIO_META_WORKLOAD_NAME", value: name },
    { name: "ISTIO_META_OWNER", value: `kubernetes://apis/apps/v1/namespaces/${namespace}/deployments/${name}` },
  ];
}

const VOLUMES: Deployment["spec"]["template"]["spec"]["volumes"] & object = [
  { name: "istiod-ca-cert", configMap: { name: DEFAULTS.ROOT_CERT_CONFIGMAP } },
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
];
