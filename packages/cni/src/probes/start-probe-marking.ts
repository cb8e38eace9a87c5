// SPDX-License-Identifier: Apache-2.0
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Logger, Metrics } from "@ambientmesh/core";
import { chooseIptables, hostNetns, openNetns, type Netns, type NetnsRef } from "@ambientmesh/linux";
import type { AgentConfig } from "../config/agent-config.ts";
import type { Redirection } from "../redirection/redirection.ts";
import { IptablesProbeRules } from "./iptables-probe-rules.ts";
import { findProbeOrigin } from "./kubelet.ts";
import { NftProbeRules } from "./nft-probe-rules.ts";
import { ProbeMarking } from "./probe-marking.ts";
import type { ProbeRuleSet } from "./probe-rules.ts";

export interface ProbeMarkingSetup {
  readonly addresses: () => readonly string[];
  readonly redirection: Redirection;
  readonly hasIpv6: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** nft looks control groups up there, whatever one might wish. */
const CGROUP_DIRECTORY = "/sys/fs/cgroup";

/** The node's network namespace: that of its first process, or where the agent may not go there, its own. The caller closes it. */
export function openNodeNetns({ mayEnterHostNetns, procDirectory }: AgentConfig): Netns {
  return openNetns(mayEnterHostNetns ? join(procDirectory, "1/ns/net") : hostNetns().path);
}

/** Begins to mark the node's probes, in the language that pods' rules are written in. @throws MeshError LINUX_* */
export async function startProbeMarking(setup: ProbeMarkingSetup, config: AgentConfig): Promise<AgentProbeMarking> {
  const { redirection, hasIpv6, ...deps } = setup;
  const stack = new AsyncDisposableStack();
  const nodeNetns = stack.use(openNodeNetns(config));
  const rules = await chooseRules(redirection, nodeNetns, config);
  const options = {
    procDirectory: config.procDirectory,
    cgroupDirectory: CGROUP_DIRECTORY,
    cgroup: config.kubeletCgroup,
  };
  const marking = stack.use(
    new ProbeMarking(
      { ...deps, rules, nodeNetns, findOrigin: (netns) => findProbeOrigin(netns, options) },
      { source: config.probeSource, hasIpv6, intervalMs: config.proofIntervalMs },
    ),
  );
  marking.start();
  return { update: () => marking.update(), [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Marks probes until it is disposed. */
export interface AgentProbeMarking extends AsyncDisposable {
  /** The pods of the mesh have changed. */
  update(): void;
}

async function chooseRules(
  { name }: Redirection,
  nodeNetns: NetnsRef,
  { procDirectory }: AgentConfig,
): Promise<ProbeRuleSet> {
  const cgroupNamespace = foreignCgroupNamespace(procDirectory);
  if (name === "nftables") return new NftProbeRules(cgroupNamespace);
  return new IptablesProbeRules(await chooseIptables({ netns: nodeNetns }), cgroupNamespace);
}

/** Where rules name control groups as the node knows them; undefined if this process knows them by the same names. */
function foreignCgroupNamespace(procDirectory: string): string | undefined {
  const path = join(procDirectory, "1/ns/cgroup");
  try {
    return statSync(path).ino === statSync("/proc/self/ns/cgroup").ino ? undefined : path;
  } catch {
    // Kernels without control group namespaces have one set of names.
    return undefined;
  }
}
