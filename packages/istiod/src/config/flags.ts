// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS, PORTS } from "@ambientmesh/api";
import { messageOf, type ConfigReader, type Variable } from "@ambientmesh/core";
import { LogLevels } from "@ambientmesh/telemetry";
import type { Environment } from "./environment.ts";
import { parseListenAddress, type ListenAddress } from "./listen-address.ts";

/** Flags of `istiod discovery`, named as in Istio. */
export interface Flags {
  readonly httpAddress: ListenAddress | undefined;
  readonly grpcAddress: ListenAddress | undefined;
  readonly secureGrpcAddress: ListenAddress | undefined;
  readonly monitoringAddress: ListenAddress | undefined;
  readonly webhookAddress: ListenAddress | undefined;
  readonly domain: string;
  readonly clusterId: string;
  readonly namespace: string;
  readonly meshConfigFile: string;
  readonly kubeconfig: string | undefined;
  readonly maxConnectionAgeMs: number;
  readonly shutdownMs: number;
  readonly tls: {
    readonly certificateFile: string | undefined;
    readonly keyFile: string | undefined;
    readonly minVersion: "TLSv1.2" | "TLSv1.3";
  };
  readonly logLevels: LogLevels;
  readonly isLogJson: boolean;
}

/** Flags that may stand without a value. */
export const SWITCHES: ReadonlySet<string> = new Set(["--help", "-h", "--log_as_json", "--profile"]);

const DNS_NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Reads and at the same time declares every flag; what the environment has said is the default of three of them. */
export function readFlags(reader: ConfigReader, environment: Pick<Environment, "clusterId" | "namespace">): Flags {
  return {
    ...readAddresses(reader),
    ...readPlace(reader, environment),
    kubeconfig: reader.string({
      name: "--kubeconfig",
      default: undefined,
      description: "Kubeconfig of the API server; without it the pod's own account, then $KUBECONFIG.",
    }),
    maxConnectionAgeMs: reader.durationMs({
      name: "--keepaliveMaxServerConnectionAge",
      default: 30 * 60_000,
      description:
        "Clients are asked to connect again after about so long, so that they spread over the replicas; 0: never.",
    }),
    shutdownMs: reader.durationMs({
      name: "--shutdownDuration",
      default: 10_000,
      description: "Time for streams and requests to end after SIGTERM; the rest is cut off.",
    }),
    tls: readTls(reader),
    logLevels: readLogLevels(reader),
    isLogJson: reader.boolean({
      name: "--log_as_json",
      default: true,
      description: "Write logs as JSON, one record a line; false: text.",
    }),
  };
}

function readAddresses(
  reader: ConfigReader,
): Pick<Flags, "httpAddress" | "grpcAddress" | "secureGrpcAddress" | "monitoringAddress" | "webhookAddress"> {
  const address = (variable: Variable<string>): ListenAddress | undefined => {
    const text = reader.string(variable);
    const parsed = parseListenAddress(text);
    if (!parsed && text !== "")
      reader.problem(`${variable.name}="${text}" is not an address like :8080 or 127.0.0.1:8080`);
    return parsed;
  };
  return {
    httpAddress: address({
      name: "--httpAddr",
      default: `:${PORTS.ISTIOD_HTTP}`,
      description: "Readiness and debug pages; empty: none.",
    }),
    grpcAddress: address({
      name: "--grpcAddr",
      default: `127.0.0.1:${PORTS.ISTIOD_GRPC}`,
      description: "Plaintext xDS without authentication; loopback unless asked otherwise; empty: none.",
    }),
    secureGrpcAddress: address({
      name: "--secureGRPCAddr",
      default: `:${PORTS.ISTIOD_SECURE_GRPC}`,
      description: "xDS and certificates over TLS; empty: none.",
    }),
    monitoringAddress: address({
      name: "--monitoringAddr",
      default: `:${PORTS.ISTIOD_MONITORING}`,
      description: "Metrics, version and debug pages; empty: they are served on --httpAddr.",
    }),
    webhookAddress: address({
      name: "--httpsAddr",
      default: `:${PORTS.ISTIOD_WEBHOOK}`,
      description: "Admission webhook (/validate) over TLS; empty: none.",
    }),
  };
}

function readPlace(
  reader: ConfigReader,
  environment: Pick<Environment, "clusterId" | "namespace">,
): Pick<Flags, "domain" | "clusterId" | "namespace" | "meshConfigFile"> {
  const domain = reader.string({
    name: "--domain",
    default: DEFAULTS.CLUSTER_DOMAIN,
    description: "DNS domain of the cluster: services are name.namespace.svc.DOMAIN.",
  });
  if (!DNS_NAME.test(domain)) reader.problem(`--domain="${domain}" is not a DNS name`);
  return {
    domain,
    clusterId: reader.string({
      name: "--clusterID",
      default: environment.clusterId,
      description: "Name of the cluster; default $CLUSTER_ID.",
    }),
    namespace: reader.string({
      name: "--namespace",
      default: environment.namespace,
      description: "Namespace of istiod; default $POD_NAMESPACE.",
    }),
    meshConfigFile: reader.string({
      name: "--meshConfig",
      default: "./etc/istio/config/mesh",
      description:
        "MeshConfig (YAML), followed while istiod runs; where the default file is missing, the ConfigMap istio (istio-REVISION) of --namespace has it.",
    }),
  };
}

function readTls(reader: ConfigReader): Flags["tls"] {
  const file = (name: string, description: string): string | undefined =>
    reader.string({ name, default: undefined, description }) || undefined;
  const tls = {
    certificateFile: file("--tlsCertFile", "Serving certificate (PEM) instead of one from the built-in CA."),
    keyFile: file("--tlsKeyFile", "Key of --tlsCertFile (PEM)."),
    minVersion:
      reader.oneOf({
        name: "--tls-min-version",
        values: ["1.2", "1.3"],
        default: "1.2",
        description: "Lowest TLS version on --secureGRPCAddr and --httpsAddr.",
      }) === "1.3"
        ? ("TLSv1.3" as const)
        : ("TLSv1.2" as const),
  };
  if ((tls.certificateFile === undefined) !== (tls.keyFile === undefined)) {
    reader.problem("--tlsCertFile and --tlsKeyFile have to be given together");
  }
  return tls;
}

/** Istio writes "scope:level", with "default" for what has no level of its own, and "none" for off. */
function readLogLevels(reader: ConfigReader): LogLevels {
  const text = reader.string({
    name: "--log_output_level",
    default: "default:info",
    description:
      "Log levels (none, error, warn, info, debug), separated by commas: scope:level, or default:level for all others.",
  });
  const filter = text
    .split(",")
    .map((part) =>
      part
        .trim()
        .replace(/^(default|all):/, "")
        .replace(":", "=")
        .replace(/none$/, "off"),
    )
    .join(",");
  try {
    return new LogLevels(filter);
  } catch (error) {
    reader.problem(`--log_output_level: ${messageOf(error)}`);
    return new LogLevels();
  }
}
