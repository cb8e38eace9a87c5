// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS, PORTS } from "@ambientmesh/api";
import { ConfigReader, messageOf, type DeclaredVariable } from "@ambientmesh/core";
import { RESOLV_CONF_PATH } from "../dns/resolv-conf.ts";
import { readControlPlane } from "./control-plane.ts";
import { readBehaviour, readSockets, readTunnels } from "./data-plane.ts";
import type { ZtunnelConfig } from "./model.ts";
import { refuseUnsupported, warningsOf } from "./not-in-this-version.ts";
import { readDnsProxy } from "./dns-proxy.ts";
import { readIsOnDemand, readIsProxyEnabled, readLocalConfig, readMode } from "./mode.ts";
import { MESH_CONFIG_PATH, readProxyConfig } from "./proxy-config.ts";
import type { ConfigSources } from "./sources.ts";

const META = "ISTIO_META_";
const META_JSON = "ISTIO_METAJSON_";

/**
 * Reads and checks all settings.
 * @throws MeshError CONFIG_INVALID with every problem found
 */
export function parseConfig(sources: ConfigSources): ZtunnelConfig {
  const reader = new ConfigReader(sources.env);
  const config = readConfig(reader, sources);
  reader.finish("ztunnel");
  return Object.freeze(config);
}

/** Every variable, for the documentation. */
export function describeConfig(): readonly DeclaredVariable[] {
  const reader = new ConfigReader({});
  readConfig(reader, { env: {}, files: { exists: () => false, read: () => undefined }, args: [] });
  const family = (name: string, description: string): DeclaredVariable => ({
    name,
    kind: "text",
    default: "",
    description,
  });
  return [
    ...reader.declared,
    family("XDS_HEADER_*", "Metadata sent with every xDS call; the rest of the name is the header."),
    family("CA_HEADER_*", "The same for the certificate service."),
    family(
      "ISTIO_META_*",
      "Metadata of this proxy, sent to the control plane; also overrides `proxyMetadata` of the mesh config.",
    ),
    family("ISTIO_METAJSON_*", "The same with a JSON value."),
  ];
}

function readConfig(reader: ConfigReader, sources: ConfigSources): ZtunnelConfig {
  const proxyConfigText = reader.string({
    name: "PROXY_CONFIG",
    default: "",
    description: `YAML with discoveryAddress, proxyAdminPort, statsPort, concurrency and proxyMetadata; overrides \`defaultConfig\` of ${MESH_CONFIG_PATH}.`,
  });
  const proxyConfig = readProxyConfig(reader, sources.files.read(MESH_CONFIG_PATH), proxyConfigText);
  const proxyMetadata = { ...proxyConfig.proxyMetadata, ...metadataOf(sources.env) };
  refuseUnsupported(reader);
  const mode = readMode(reader);
  const dnsProxy = readDnsProxy(reader, proxyMetadata);
  return {
    mode,
    isProxyEnabled: readIsProxyEnabled(reader, dnsProxy),
    isOnDemand: readIsOnDemand(reader, dnsProxy),
    localConfig: readLocalConfig(reader, sources.files),
    proxyArgs: sources.args.join(" "),
    ...readIdentity(reader, proxyMetadata["CLUSTER_ID"]),
    ...readControlPlane(reader, sources, proxyConfig.discoveryAddress),
    ...readCertificates(reader),
    ...readSockets(reader, mode),
    ...readTunnels(reader),
    ...readBehaviour(reader),
    adminPort: proxyConfig.proxyAdminPort ?? PORTS.ADMIN,
    statsPort: proxyConfig.statsPort ?? PORTS.STATS,
    readinessPort: PORTS.READINESS,
    dnsProxy,
    resolvConfPath: RESOLV_CONF_PATH,
    proxyMetadata,
    nodeMetadata: jsonMetadataOf(reader, sources.env),
    warnings: warningsOf(reader, proxyConfig.concurrency),
  };
}

type Identity = Pick<
  ZtunnelConfig,
  | "localNode"
  | "network"
  | "clusterId"
  | "clusterDomain"
  | "instanceIp"
  | "podName"
  | "podNamespace"
  | "serviceAccount"
  | "trustDomain"
>;

/** Who this proxy is and where it runs. */
function readIdentity(reader: ConfigReader, clusterIdOfMetadata: string | undefined): Identity {
  const optional = (name: string, description: string): string | undefined =>
    reader.string({ name, default: undefined, description }) || undefined;
  const clusterId = reader.string({
    name: "CLUSTER_ID",
    default: DEFAULTS.CLUSTER_ID,
    description: "Id of this cluster, sent with every call; ISTIO_META_CLUSTER_ID overrides it.",
  });
  return {
    localNode: optional(
      "NODE_NAME",
      "Name of this node, as workloads carry it. Unset: every workload counts as local, which only suits a single node.",
    ),
    network: reader.string({ name: "NETWORK", default: "", description: "Network id of this cluster." }),
    clusterId: clusterIdOfMetadata ?? clusterId,
    clusterDomain: reader.string({
      name: "CLUSTER_DOMAIN",
      default: DEFAULTS.CLUSTER_DOMAIN,
      description: "DNS domain of the cluster.",
    }),
    instanceIp: reader.string({
      name: "INSTANCE_IP",
      default: "1.1.1.1",
      description: "Address of this proxy, as its node id tells the control plane.",
    }),
    podName: optional("POD_NAME", "Name of this proxy's own pod."),
    podNamespace: optional("POD_NAMESPACE", "Namespace of this proxy's own pod."),
    serviceAccount: optional(
      "SERVICE_ACCOUNT",
      "Service account of this proxy; together with the pod's name and namespace its own metrics can be reached over HBONE.",
    ),
    trustDomain: reader.string({
      name: "TRUST_DOMAIN",
      default: DEFAULTS.TRUST_DOMAIN,
      description: "Trust domain of this proxy's own identity; pods' identities come from the control plane.",
    }),
  };
}

function readCertificates(
  reader: ConfigReader,
): Pick<ZtunnelConfig, "secretTtlMs" | "crlPath" | "compliance" | "isTls12Enabled"> {
  return {
    compliance: reader.oneOf({
      name: "COMPLIANCE_POLICY",
      default: undefined,
      values: ["pqc"],
      description: "`pqc` restricts the key exchange of tunnels to the post-quantum hybrid X25519MLKEM768.",
    }),
    isTls12Enabled: reader.boolean({
      name: "TLS12_ENABLED",
      default: false,
      description: "Allows TLS 1.2 besides 1.3.",
    }),
    secretTtlMs: reader.durationMs({
      name: "SECRET_TTL",
      default: 86_400_000,
      description: "Lifetime asked for in certificate requests; the CA may shorten it.",
    }),
    crlPath:
      reader.string({
        name: "CRL_PATH",
        default: undefined,
        description: "File with certificate revocation lists (PEM or DER), watched for changes.",
      }) || undefined,
  };
}

function metadataOf(env: ConfigSources["env"]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) =>
      name.startsWith(META) && value !== undefined ? [[name.slice(META.length), value]] : [],
    ),
  );
}

function jsonMetadataOf(reader: ConfigReader, env: ConfigSources["env"]): Readonly<Record<string, unknown>> {
  const metadata: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(META_JSON) || value === undefined) continue;
    try {
      metadata[name.slice(META_JSON.length)] = JSON.parse(value);
    } catch (error) {
      reader.problem(`${name} is not JSON: ${messageOf(error)}`);
    }
  }
  return metadata;
}
