// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from "node:net";
import { join } from "node:path";
import { ConfigReader, type DeclaredVariable } from "@ambientmesh/core";
import { kubeTargetOf, type KubeTarget } from "@ambientmesh/kube";
import type { AgentConfig } from "./config/agent-config.ts";
import { readInstallSettings } from "./config/install-settings.ts";
import { readUnsupported } from "./config/not-in-this-version.ts";
import { DEFAULT_SELECTORS, type EligibilityRules } from "./eligibility/eligibility.ts";
import { parseEnablementSelectors } from "./eligibility/selector-text.ts";
import type { RedirectionKind } from "./redirection/choose-redirection.ts";
import type { DualStackAddress } from "./redirection/redirection.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const MAX_PORT = 65_535;
/** A look costs a few processes per pod. */
const MIN_PROOF_INTERVAL_MS = 1000;

/**
 * Reads and checks all settings.
 * @throws MeshError CONFIG_INVALID with every problem found
 */
export function parseConfig(env: Environment): AgentConfig {
  const reader = new ConfigReader(env);
  const { kubeconfig, ...config } = readConfig(reader);
  if (config.nodeName === "") reader.problem("NODE_NAME is missing; set it to the name of this node (spec.nodeName)");
  const apiServer = kubeTargetOf(env, kubeconfig);
  if (!apiServer) reader.problem("there is no API server: set KUBECONFIG, or run the agent as a pod");
  reader.finish("the CNI agent");
  return Object.freeze({ ...config, apiServer: apiServer as KubeTarget });
}

/** Every variable, for the documentation. */
export function describeConfig(): readonly DeclaredVariable[] {
  const reader = new ConfigReader({});
  readConfig(reader);
  return reader.declared;
}

function readConfig(
  reader: ConfigReader,
): Omit<AgentConfig, "apiServer"> & { readonly kubeconfig: string | undefined } {
  const eligibility = readEligibility(reader);
  const places = readPlaces(reader);
  const agentNamespace = reader.string({
    name: "POD_NAMESPACE",
    default: "istio-system",
    description: "Namespace of the agent itself, whose pods the plugin always lets start.",
  });
  return {
    agentNamespace,
    podName: reader.string({
      name: "POD_NAME",
      default: undefined,
      description:
        "Name of the agent's own pod: it takes the plugin away when it ends and the pod's DaemonSet is gone.",
    }),
    install: readInstallSettings(reader, { eligibility, agentNamespace, runDirectory: places.runDirectory }),
    nodeName: reader.string({ name: "NODE_NAME", default: "", description: "Name of this node; required." }),
    kubeconfig: reader.string({
      name: "KUBECONFIG",
      default: undefined,
      description: "Path of a kubeconfig; by default the service account of the pod is used.",
    }),
    eligibility,
    ...readRules(reader),
    ...readProbes(reader),
    ...places,
    ...readServing(reader),
    warnings: readUnsupported(reader),
  };
}

function readEligibility(reader: ConfigReader): EligibilityRules {
  const name = "AMBIENT_ENABLEMENT_SELECTOR";
  const text = reader.string({
    name,
    default: undefined,
    description:
      "YAML list of `podSelector` and `namespaceSelector`; pods that match one of its entries join the mesh. By default those labelled istio.io/dataplane-mode=ambient, or in a namespace that is, unless the pod says `none`.",
  });
  const excludedNamespaces = reader.list({
    name: "EXCLUDE_NAMESPACES",
    default: ["kube-system"],
    description: "Namespaces whose pods never join the mesh.",
  });
  if (text === undefined || text.trim() === "") return { selectors: DEFAULT_SELECTORS, excludedNamespaces };
  try {
    return { selectors: parseEnablementSelectors(text), excludedNamespaces };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    reader.problem(`${name} ${error.message}`);
    return { selectors: [], excludedNamespaces };
  }
}

type RuleSettings = Pick<
  AgentConfig,
  | "announceMs"
  | "drainMs"
  | "proofIntervalMs"
  | "isDnsCaptured"
  | "isIpv6Enabled"
  | "isReconcilingOnStartup"
  | "redirection"
>;

function readRules(reader: ConfigReader): RuleSettings {
  return {
    redirection: readRedirection(reader),
    isDnsCaptured: reader.boolean({
      name: "AMBIENT_DNS_CAPTURE",
      default: true,
      description:
        "Whether DNS questions of pods go to the node proxy, which has to listen on 15053; the annotation ambient.istio.io/dns-capture overrides it.",
    }),
    isIpv6Enabled: reader.boolean({
      name: "AMBIENT_IPV6",
      default: true,
      description: "Whether IPv6 is redirected too; `false` lets IPv6 pass by the mesh.",
    }),
    isReconcilingOnStartup: reader.boolean({
      name: "AMBIENT_RECONCILE_POD_RULES_ON_STARTUP",
      default: true,
      description: "Whether an agent that starts replaces rules of running pods that differ from its own.",
    }),
    proofIntervalMs: readProofInterval(reader),
    announceMs: reader.durationMs({
      name: "AMBIENT_UNENROL_ANNOUNCE_TIME",
      default: 2000,
      description:
        "From the news that a pod leaves the mesh until its new connections are left alone: time for clients to hear that they must not send HBONE any more.",
    }),
    drainMs: reader.durationMs({
      name: "AMBIENT_UNENROL_DRAIN_TIME",
      default: 5000,
      description: "From then until the node proxy lets go of the pod: time for connections it carries to end.",
    }),
  };
}

function readProofInterval(reader: ConfigReader): number {
  const name = "AMBIENT_PROOF_INTERVAL";
  const intervalMs = reader.durationMs({
    name,
    default: 10_000,
    description:
      "How often it is proved that each pod of the mesh still is in it, and that the rules for health probes are in place.",
  });
  if (intervalMs < MIN_PROOF_INTERVAL_MS) reader.problem(`${name}: less than 1s is more than a node can prove`);
  return intervalMs;
}

function readRedirection(reader: ConfigReader): RedirectionKind {
  const kind = reader.oneOf({
    name: "AMBIENT_REDIRECTION",
    default: undefined,
    values: ["auto", "nftables", "iptables"],
    description:
      "By which rules pods are redirected; by default `auto`: nftables, and iptables where nft is missing or can't print JSON.",
  });
  const isNative = reader.boolean({
    name: "NATIVE_NFTABLES",
    default: undefined,
    description: "Istio's name for the same choice: `true` means nftables, `false` iptables.",
  });
  const wanted = isNative === undefined ? undefined : isNative ? "nftables" : "iptables";
  if (kind !== undefined && wanted !== undefined && kind !== wanted) {
    reader.problem(`NATIVE_NFTABLES=${isNative} asks for ${wanted}, AMBIENT_REDIRECTION for ${kind}; set one of them`);
  }
  return kind ?? wanted ?? "auto";
}

type ProbeSettings = Pick<AgentConfig, "hasProbeHopCheck" | "kubeletCgroup" | "mayEnterHostNetns" | "probeSource">;

function readProbes(reader: ConfigReader): ProbeSettings {
  const cgroup = reader.string({
    name: "KUBELET_CGROUP",
    default: undefined,
    description:
      "Control group (version 2) of the kubelet, as /system.slice/kubelet.service: connections from there count as health probes. By default the kubelet is looked for among the node's processes.",
  });
  return {
    probeSource: readProbeSource(reader),
    kubeletCgroup: cgroup === undefined || cgroup.trim() === "" ? undefined : cgroup.trim(),
    hasProbeHopCheck: reader.boolean({
      name: "AMBIENT_PROBE_HOP_CHECK",
      default: true,
      description:
        "Whether probes have to arrive in a pod with a TTL of 255; `false` is for CNIs that count a hop between a node and its own pods.",
    }),
    mayEnterHostNetns: reader.boolean({
      name: "ALLOW_SWITCH_TO_HOST_NS",
      default: true,
      description:
        "Whether rules for health probes are made in the network namespace of the first process in HOST_PROC; `false` means that of the agent itself.",
    }),
  };
}

function readProbeSource(reader: ConfigReader): DualStackAddress {
  const description = "Source address of the node's health probes, which are not redirected.";
  const v4 = reader.string({ name: "HOST_PROBE_SNAT_IP", default: "169.254.7.127", description });
  const v6 = reader.string({
    name: "HOST_PROBE_SNAT_IPV6",
    default: "fd16:9254:7127:1337:ffff:ffff:ffff:ffff",
    description,
  });
  if (!isIPv4(v4)) reader.problem(`HOST_PROBE_SNAT_IP="${v4}" is no IPv4 address`);
  if (!isIPv6(v6) || v6.includes("%")) reader.problem(`HOST_PROBE_SNAT_IPV6="${v6}" is no IPv6 address`);
  return { v4, v6 };
}

type Places = Pick<
  AgentConfig,
  "echoSocket" | "netnsDirectory" | "pluginSocket" | "procDirectory" | "runDirectory" | "zdsSocket"
>;

function readPlaces(reader: ConfigReader): Places {
  const runDirectory = reader.string({
    name: "CNI_AGENT_RUN_DIR",
    default: "/var/run/istio-cni",
    description: "Directory shared with the plugin on the node, for its socket and for what has to survive a restart.",
  });
  return {
    runDirectory,
    pluginSocket:
      reader.string({
        name: "CNI_EVENT_ADDRESS",
        default: undefined,
        description: "Socket that the plugin calls; by default pluginevent.sock in CNI_AGENT_RUN_DIR.",
      }) || join(runDirectory, "pluginevent.sock"),
    zdsSocket: reader.string({
      name: "ZTUNNEL_UDS_ADDRESS",
      default: "/var/run/ztunnel/ztunnel.sock",
      description: "Socket that node proxies connect to.",
    }),
    echoSocket: reader.string({
      name: "ZTUNNEL_ECHO_ADDRESS",
      default: "/var/run/ztunnel/echo.sock",
      description:
        "Socket where a node proxy that tries HBONE through its own pods reports the outcome; others have none, and are judged by rules and listeners.",
    }),
    procDirectory: reader.string({
      name: "HOST_PROC",
      default: "/host/proc",
      description: "Where the proc file system of the node is seen; /proc if the agent shares the node's processes.",
    }),
    netnsDirectory: reader.string({
      name: "CNI_NETNS_DIR",
      default: "/var/run/netns",
      description: "Where the network namespaces that the container runtime has named are seen.",
    }),
  };
}

type Serving = Pick<AgentConfig, "logFilter" | "logFormat" | "metricsPort" | "readinessPort">;

function readServing(reader: ConfigReader): Serving {
  const port = (name: string, fallback: number, description: string): number =>
    reader.integer({ name, default: fallback, min: 0, max: MAX_PORT, description });
  return {
    readinessPort: port("READINESS_PORT", 8000, "Port of /readyz and /healthz; 0 picks a free one."),
    metricsPort: port("MONITORING_PORT", 15_014, "Port of /metrics; 0 picks a free one."),
    logFilter: reader.string({
      name: "LOG_LEVEL",
      default: "info",
      description: "Which records are logged: a level, or a list like `info,cni.zds=debug`.",
    }),
    logFormat: reader.oneOf({
      name: "LOG_FORMAT",
      default: "plain",
      values: ["plain", "json"],
      description: "Format of the log.",
    }),
  };
}
