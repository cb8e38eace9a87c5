// SPDX-License-Identifier: Apache-2.0
import { KEYS, PORTS } from "@ambientmesh/api";
import { RESOURCES, type KubeClient } from "@ambientmesh/kube";
import { API_PORT, API_SERVICE_ADDRESS, CONTROL_PLANE, DNS_PORT, DNS_SERVICE_ADDRESS } from "../topology.ts";
import { kubeconfigText } from "./kubeconfig.ts";
import { ACCOUNTS, API_ROOT_MAP, ISTIOD_LABELS, KUBECONFIG_MAP, SYSTEM_NAMESPACE } from "./system-names.ts";

/** Where pods find the files of their service account, as in every cluster. */
export const ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Where the mesh's own pods find their kubeconfig. */
export const KUBECONFIG_DIRECTORY = "/etc/kubernetes";
/** From there to the account's files: both are below the pod's own directory. */
const ACCOUNT_FROM_KUBECONFIG = "../../var/run/secrets/kubernetes.io/serviceaccount";

/** A Service without a selector, in front of one address of the control plane. */
interface FixedService {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIP: string;
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly targetPort: number;
    readonly protocol: "TCP" | "UDP";
  }[];
}

const FIXED_SERVICES: readonly FixedService[] = [
  {
    namespace: "default",
    name: "kubernetes",
    clusterIP: API_SERVICE_ADDRESS,
    ports: [{ name: "https", port: 443, targetPort: API_PORT, protocol: "TCP" }],
  },
  {
    namespace: "kube-system",
    name: "kube-dns",
    clusterIP: DNS_SERVICE_ADDRESS,
    ports: [
      { name: "dns", port: DNS_PORT, targetPort: DNS_PORT, protocol: "UDP" },
      { name: "dns-tcp", port: DNS_PORT, targetPort: DNS_PORT, protocol: "TCP" },
    ],
  },
];

/** Makes what every cluster has from the beginning: the services of its API and DNS servers. */
export async function createClusterObjects(client: KubeClient): Promise<void> {
  for (const { namespace, name, clusterIP, ports } of FIXED_SERVICES) {
    await client.create(RESOURCES.Service, {
      metadata: { namespace, name },
      spec: { clusterIP, clusterIPs: [clusterIP], ports },
    });
    await client.create(RESOURCES.EndpointSlice, {
      metadata: { namespace, name, labels: { [KEYS.SERVICE_NAME]: name } },
      addressType: "IPv4",
      endpoints: [{ addresses: [CONTROL_PLANE.address], conditions: { ready: true } }],
      ports: ports.map((port) => ({ name: port.name, port: port.targetPort, protocol: port.protocol })),
    });
  }
}

/** Makes the namespace of the mesh's own pods, and in it what they need: accounts, configuration, istiod's Service. */
export async function createSystemObjects(client: KubeClient, apiAuthorityPem: string): Promise<void> {
  const namespace = SYSTEM_NAMESPACE;
  await client.create(RESOURCES.Namespace, { metadata: { name: namespace } });
  for (const name of Object.values(ACCOUNTS))
    await client.create(RESOURCES.ServiceAccount, { metadata: { namespace, name } });
  await client.create(RESOURCES.ConfigMap, {
    metadata: { namespace, name: API_ROOT_MAP },
    data: { "ca.crt": apiAuthorityPem },
  });
  const kubeconfig = kubeconfigText({
    server: `https://${API_SERVICE_ADDRESS}:443`,
    authority: { file: `${ACCOUNT_FROM_KUBECONFIG}/ca.crt` },
    user: { name: "service-account", tokenFile: `${ACCOUNT_FROM_KUBECONFIG}/token` },
    name: "local",
  });
  await client.create(RESOURCES.ConfigMap, { metadata: { namespace, name: KUBECONFIG_MAP }, data: { kubeconfig } });
  await client.create(RESOURCES.Service, {
    metadata: { namespace, name: "istiod", labels: ISTIOD_LABELS },
    spec: {
      selector: { app: ISTIOD_LABELS.app },
      ports: [
        { name: "grpc-xds", port: PORTS.ISTIOD_GRPC },
        { name: "https-dns", port: PORTS.ISTIOD_SECURE_GRPC },
        { name: "https-webhook", port: 443, targetPort: PORTS.ISTIOD_WEBHOOK },
        { name: "http-monitoring", port: PORTS.ISTIOD_MONITORING },
      ],
    },
  });
}
