// SPDX-License-Identifier: Apache-2.0
import type { KubeTarget } from "@ambientmesh/kube";
import type { EligibilityRules } from "../eligibility/eligibility.ts";
import type { ChainOptions } from "../installer/network-config.ts";
import type { RedirectionKind } from "../redirection/choose-redirection.ts";
import type { DualStackAddress } from "../redirection/redirection.ts";

/** Where the plugin goes, and how it gets called. */
export interface InstallSettings {
  /** The configuration directory, as the agent sees it. */
  readonly configDirectory: string;
  /** The directory of plugins, as the agent sees it, and as the node does. */
  readonly binDirectory: string;
  readonly nodeBinDirectory: string;
  readonly chain: ChainOptions;
}

/** Everything that the node agent can be told. Frozen. */
export interface AgentConfig {
  /** Name of this node as pods carry it in `spec.nodeName`. */
  readonly nodeName: string;
  readonly apiServer: KubeTarget;
  readonly eligibility: EligibilityRules;
  readonly isDnsCaptured: boolean;
  readonly isIpv6Enabled: boolean;
  readonly isReconcilingOnStartup: boolean;
  readonly redirection: RedirectionKind;
  readonly probeSource: DualStackAddress;
  readonly hasProbeHopCheck: boolean;
  /** Control group of the kubelet; undefined: it is looked for. */
  readonly kubeletCgroup: string | undefined;
  /** The node's network namespace is that of its first process; if false, the agent's own. */
  readonly mayEnterHostNetns: boolean;
  /** How often what should be in place is compared with what is. */
  readonly proofIntervalMs: number;
  readonly announceMs: number;
  readonly drainMs: number;
  /** Holds the plugin's socket and what has to survive a restart. */
  readonly runDirectory: string;
  readonly pluginSocket: string;
  readonly zdsSocket: string;
  /** Where the node proxy reports its echoes. */
  readonly echoSocket: string;
  readonly procDirectory: string;
  readonly netnsDirectory: string;
  /** How the plugin is installed on the node; undefined: it is not. */
  readonly install: InstallSettings | undefined;
  /** Where the agent itself runs. */
  readonly agentNamespace: string;
  readonly podName: string | undefined;
  readonly readinessPort: number;
  readonly metricsPort: number;
  readonly logFilter: string;
  readonly logFormat: "json" | "plain";
  /** What was asked for, or is done by Istio's agent, but not here. */
  readonly warnings: readonly string[];
}
