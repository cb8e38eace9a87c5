// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS } from "@ambientmesh/api";
import type { ConfigReader } from "@ambientmesh/core";
import { addressRange } from "../model/ip-address.ts";
import type { PoolRanges } from "../writers/address-pool.ts";

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const KEY_TYPES = { "2048": "rsa-2048", "4096": "rsa-4096" } as const;

/** Settings from environment variables, named as in Istio. */
export interface Environment {
  readonly namespace: string;
  readonly podName: string | undefined;
  readonly clusterId: string;
  readonly revision: string;
  readonly push: {
    readonly debounceMs: number;
    readonly debounceMaxMs: number;
    /** Streams accepted per second. */
    readonly maxRequestsPerSecond: number;
  };
  readonly grpc: {
    readonly keepaliveIntervalMs: number;
    readonly keepaliveTimeoutMs: number;
    readonly maxStreams: number;
    readonly maxReceiveBytes: number;
  };
  readonly authentication: {
    readonly tokenAudiences: readonly string[];
    /** "namespace/name" of service accounts that may ask for certificates of pods on their node. */
    readonly trustedNodeAccounts: readonly string[];
    readonly isDebugAuthenticated: boolean;
    readonly debugNamespaces: readonly string[];
  };
  readonly certificates: {
    readonly isServed: boolean;
    readonly defaultTtlMs: number;
    readonly maxTtlMs: number;
    readonly rootDirectory: string;
    readonly selfSignedTtlMs: number;
    readonly selfSignedKeyType: "rsa-2048" | "rsa-4096";
    readonly selfSignedCheckIntervalMs: number;
    readonly selfSignedGracePercent: number;
    readonly rootConfigMap: string;
    /** Undefined: revocation lists are not handed out. */
    readonly crlConfigMap: string | undefined;
    readonly customHosts: readonly string[];
  };
  readonly isDryRunPolicySent: boolean;
  readonly isStatusWritten: boolean;
  readonly hasLeaderElection: boolean;
  /** Of the pods of waypoints; undefined: none are deployed. */
  readonly waypointImage: string | undefined;
  /** What the webhook does with policies that node proxies can't enforce as they read. */
  readonly unenforceablePolicies: "warn" | "refuse";
  /** Ranges of the addresses that hosts of ServiceEntries get; undefined: they get none. */
  readonly givenAddresses: PoolRanges | undefined;
}

/** Reads and at the same time declares every variable. `cpus` sizes the limits that depend on the machine. */
export function readEnvironment(reader: ConfigReader, cpus: number): Environment {
  return {
    ...readPlace(reader),
    push: readPush(reader, cpus),
    grpc: readGrpc(reader),
    authentication: readAuthentication(reader),
    certificates: readCertificates(reader),
    isDryRunPolicySent: reader.boolean({
      name: "AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY",
      default: false,
      description:
        "Send policies annotated istio.io/dry-run to node proxies; Istio's ztunnel before 1.29 would enforce them.",
    }),
    isStatusWritten: reader.boolean({
      name: "AMBIENT_ENABLE_STATUS",
      default: true,
      description: "Write conditions to the status of policies, services and entries.",
    }),
    hasLeaderElection: reader.boolean({
      name: "ENABLE_LEADER_ELECTION",
      default: true,
      description:
        "Only one replica writes to the API; false makes this one write without asking, for a single replica.",
    }),
    waypointImage:
      reader.string({
        name: "WAYPOINT_IMAGE",
        default: "",
        description: "Image of waypoints that are deployed for Gateways of the class istio-waypoint; empty: none are.",
      }) || undefined,
    unenforceablePolicies: reader.oneOf({
      name: "UNENFORCEABLE_POLICIES",
      values: ["warn", "refuse"],
      default: "warn",
      description:
        "What the webhook does with AuthorizationPolicies for node proxies that ask for what only a waypoint can see.",
    }),
    givenAddresses: readGivenAddresses(reader),
  };
}

function readGivenAddresses(reader: ConfigReader): PoolRanges | undefined {
  const range = (name: string, fallback: string, bytes: number): string => {
    const text = reader.string({
      name,
      default: fallback,
      description: "Range of the addresses that hosts of ServiceEntries get when they have none.",
    });
    if (addressRange(text)?.bytes.length !== bytes)
      reader.problem(`${name}="${text}" is no range of IPv${bytes === 4 ? 4 : 6} addresses`);
    return text;
  };
  const isEnabled = reader.boolean({
    name: "PILOT_ENABLE_IP_AUTOALLOCATE",
    default: true,
    description: "Give addresses to hosts of ServiceEntries that have none, so that node proxies can tell them apart.",
  });
  const ranges = {
    ipv4: range("PILOT_IP_AUTOALLOCATE_IPV4_PREFIX", "240.240.0.0/16", 4),
    ipv6: range("PILOT_IP_AUTOALLOCATE_IPV6_PREFIX", "2001:2::/48", 16),
  };
  return isEnabled ? ranges : undefined;
}

function readCrlConfigMap(reader: ConfigReader): string | undefined {
  const isEnabled = reader.boolean({
    name: "PILOT_ENABLE_CA_CRL",
    default: true,
    description: "Hand out the revocation lists (ca-crl.pem) of a plugged-in authority.",
  });
  const name = reader.string({
    name: "PILOT_CRL_CONFIGMAP",
    default: "istio-ca-crl",
    description: "Name of the ConfigMap that carries them in every namespace.",
  });
  return isEnabled ? name : undefined;
}

function readPlace(reader: ConfigReader): Pick<Environment, "namespace" | "podName" | "clusterId" | "revision"> {
  return {
    namespace: reader.string({
      name: "POD_NAMESPACE",
      default: DEFAULTS.ROOT_NAMESPACE,
      description: "Namespace of istiod; the flag --namespace overrides it.",
    }),
    podName: reader.string({
      name: "POD_NAME",
      default: undefined,
      description: "Identity of this replica in leader elections; the host name and process id where it is unset.",
    }),
    clusterId: reader.string({
      name: "CLUSTER_ID",
      default: DEFAULTS.CLUSTER_ID,
      description: "Name of the cluster, first part of every workload's uid; the flag --clusterID overrides it.",
    }),
    revision: reader.string({
      name: "REVISION",
      default: "",
      description:
        "Revision of this control plane: adds a host name to its certificate. Empty is the default revision.",
    }),
  };
}

function readPush(reader: ConfigReader, cpus: number): Environment["push"] {
  const perSecond = reader.integer({
    name: "PILOT_MAX_REQUESTS_PER_SECOND",
    default: 0,
    min: 0,
    description:
      "New streams accepted per second; 0 sets it by the number of processors (15 + 5 for each, at most 100).",
  });
  return {
    debounceMs: reader.durationMs({
      name: "PILOT_DEBOUNCE_AFTER",
      default: 100,
      description:
        "Quiet time after which changes that follow each other are pushed together; the first one is pushed at once.",
    }),
    debounceMaxMs: reader.durationMs({
      name: "PILOT_DEBOUNCE_MAX",
      default: 10 * SECOND_MS,
      description: "Longest time a push waits for quiet.",
    }),
    maxRequestsPerSecond: perSecond === 0 ? Math.min(15 + 5 * cpus, 100) : perSecond,
  };
}

function readGrpc(reader: ConfigReader): Environment["grpc"] {
  return {
    keepaliveIntervalMs: reader.durationMs({
      name: "GRPC_KEEPALIVE_INTERVAL",
      default: 30 * SECOND_MS,
      description:
        "Time between pings on an idle connection; without them a vanished node would hold its stream for ever.",
    }),
    keepaliveTimeoutMs: reader.durationMs({
      name: "GRPC_KEEPALIVE_TIMEOUT",
      default: 10 * SECOND_MS,
      description: "A connection whose ping is unanswered for so long is closed.",
    }),
    maxStreams: reader.integer({
      name: "ISTIO_GPRC_MAXSTREAMS",
      default: 100_000,
      min: 1,
      description: "Streams on one connection; the spelling is Istio's.",
    }),
    maxReceiveBytes: reader.integer({
      name: "ISTIO_GPRC_MAXRECVMSGSIZE",
      default: 4 * 1024 * 1024,
      min: 1024,
      description: "Longest request in bytes; the spelling is Istio's.",
    }),
  };
}

function readAuthentication(reader: ConfigReader): Environment["authentication"] {
  return {
    tokenAudiences: reader.list({
      name: "TOKEN_AUDIENCES",
      default: [DEFAULTS.TOKEN_AUDIENCE],
      description: "A client's token has to be meant for one of these audiences.",
    }),
    trustedNodeAccounts: reader.list({
      name: "CA_TRUSTED_NODE_ACCOUNTS",
      default: [],
      description:
        "Service accounts (namespace/name) of node proxies: they may get certificates of the pods on their own node.",
    }),
    isDebugAuthenticated: reader.boolean({
      name: "ENABLE_DEBUG_ENDPOINT_AUTH",
      default: true,
      description:
        "Off loopback, show debug pages to the system namespace only; without it any authenticated client sees them.",
    }),
    debugNamespaces: reader.list({
      name: "DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES",
      default: [],
      description: "Further namespaces whose service accounts see all debug pages.",
    }),
  };
}

function readCertificates(reader: ConfigReader): Environment["certificates"] {
  return {
    isServed: reader.boolean({
      name: "ENABLE_CA_SERVER",
      default: true,
      description: "Sign certificates for workloads.",
    }),
    defaultTtlMs: reader.durationMs({
      name: "DEFAULT_WORKLOAD_CERT_TTL",
      default: DAY_MS,
      description: "Lifetime of a workload's certificate when the request names none.",
    }),
    maxTtlMs: reader.durationMs({
      name: "MAX_WORKLOAD_CERT_TTL",
      default: 90 * DAY_MS,
      description: "A request for a longer lifetime is refused.",
    }),
    rootDirectory: reader.string({
      name: "ROOT_CA_DIR",
      default: "./etc/cacerts",
      description:
        "Folder of a plugged-in CA (ca-cert.pem, ca-key.pem, cert-chain.pem, root-cert.pem); without those files istiod makes its own root.",
    }),
    ...readSelfSigned(reader),
    rootConfigMap: reader.string({
      name: "PILOT_CA_CERT_CONFIGMAP",
      default: DEFAULTS.ROOT_CERT_CONFIGMAP,
      description: "Name of the ConfigMap that carries the root certificate in every namespace.",
    }),
    crlConfigMap: readCrlConfigMap(reader),
    customHosts: reader.list({
      name: "ISTIOD_CUSTOM_HOST",
      default: [],
      description: "Further host names in the serving certificate.",
    }),
  };
}

type SelfSigned = Pick<
  Environment["certificates"],
  "selfSignedTtlMs" | "selfSignedKeyType" | "selfSignedCheckIntervalMs" | "selfSignedGracePercent"
>;

function readSelfSigned(reader: ConfigReader): SelfSigned {
  return {
    selfSignedTtlMs: reader.durationMs({
      name: "CITADEL_SELF_SIGNED_CA_CERT_TTL",
      default: 3650 * DAY_MS,
      description: "Lifetime of the self-made root.",
    }),
    selfSignedKeyType:
      KEY_TYPES[
        reader.oneOf({
          name: "CITADEL_SELF_SIGNED_CA_RSA_KEY_SIZE",
          values: ["2048", "4096"],
          default: "2048",
          description: "Size of the self-made root's RSA key in bits.",
        })
      ],
    selfSignedCheckIntervalMs: reader.durationMs({
      name: "CITADEL_SELF_SIGNED_ROOT_CERT_CHECK_INTERVAL",
      default: HOUR_MS,
      description: "How often the Secret with the root is read again.",
    }),
    selfSignedGracePercent: reader.integer({
      name: "CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE",
      default: 20,
      min: 0,
      max: 100,
      description: "Share of the root's lifetime at its end in which it is renewed, in percent; 0 never renews.",
    }),
  };
}
