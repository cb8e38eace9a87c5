// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import {
  canonicalIptables,
  comparableIptables,
  readSysctl,
  restoreIptables,
  saveIptables,
  type IptablesTool,
  type IpVersion,
  type NetnsRef,
} from "@ambientmesh/linux";
import {
  ownLines,
  restoreText,
  type ChainLayout,
  type ChainRules,
  type OwnLines,
} from "../redirection/iptables/iptables-restore.ts";
import type { RedirectionState } from "../redirection/redirection.ts";
import type { ProbeOrigin } from "./kubelet.ts";
import { addressesOfFamily, type ProbeRuleSet, type ProbeRules } from "./probe-rules.ts";

const PREROUTING = "ISTIO_PROBE_GUARD";
const POSTROUTING = "ISTIO_POSTRT";

/** First, since many a CNI has rules that end a packet's way through the chain. */
const NODE_LAYOUT: ChainLayout = {
  tables: ["raw", "mangle", "nat"],
  chains: { [PREROUTING]: "PREROUTING", [POSTROUTING]: "POSTROUTING" },
  isFirst: true,
};
const NOTHING: OwnLines = new Map();

/** The rules of a node for one IP version. */
export function iptablesProbeRules(rules: ProbeRules, version: IpVersion): ChainRules {
  const source = version === 4 ? rules.source.v4 : rules.source.v6;
  const length = version === 4 ? 32 : 128;
  const stamp = version === 4 ? "TTL --ttl-set 255" : "HL --hl-set 255";
  const probes = addressesOfFamily(rules, version).map(
    (address) => `-d ${address}/${length} -p tcp ${ofOrigin(rules.origin)} -j`,
  );
  return {
    raw: { [PREROUTING]: [`-s ${source}/${length} ! -i lo -j DROP`] },
    mangle: { [POSTROUTING]: probes.map((probe) => `${probe} ${stamp}`) },
    nat: { [POSTROUTING]: probes.map((probe) => `${probe} SNAT --to-source ${source}`) },
  };
}

function ofOrigin(origin: ProbeOrigin): string {
  return origin.kind === "uid" ? `-m owner --uid-owner ${origin.uid}` : `-m cgroup --path ${origin.path}`;
}

/** Rules of a node in the language of iptables. */
export class IptablesProbeRules implements ProbeRuleSet {
  readonly name = "iptables";
  readonly #tool: IptablesTool;
  readonly #cgroupNamespace: string | undefined;

  constructor(tool: IptablesTool, cgroupNamespace?: string) {
    this.#tool = tool;
    this.#cgroupNamespace = cgroupNamespace;
  }

  async apply(netns: NetnsRef, rules: ProbeRules): Promise<void> {
    for (const version of versionsOf(netns, rules)) {
      await this.#restore(
        netns,
        version,
        restoreText(await this.#present(netns, version), iptablesProbeRules(rules, version), NODE_LAYOUT),
      );
    }
  }

  async inspect(netns: NetnsRef, rules: ProbeRules): Promise<RedirectionState> {
    let hasAny = false;
    let isAsWanted = true;
    for (const version of versionsOf(netns, rules)) {
      const text = restoreText(NOTHING, iptablesProbeRules(rules, version), NODE_LAYOUT);
      const wanted = ownLines(await canonicalIptables(this.#tool, version, text, this.#options()), NODE_LAYOUT);
      const present = await this.#present(netns, version);
      hasAny ||= present.size > 0;
      isAsWanted &&= isDeepStrictEqual(present, wanted);
    }
    if (!hasAny) return "absent";
    return isAsWanted ? "intact" : "altered";
  }

  async remove(netns: NetnsRef): Promise<void> {
    for (const version of versionsIn(netns)) {
      await this.#restore(netns, version, restoreText(await this.#present(netns, version), {}, NODE_LAYOUT));
    }
  }

  async #present(netns: NetnsRef, version: IpVersion): Promise<OwnLines> {
    return ownLines(comparableIptables(await saveIptables(this.#tool, version, { netns })), NODE_LAYOUT);
  }

  async #restore(netns: NetnsRef, version: IpVersion, text: string): Promise<void> {
    if (text !== "") await restoreIptables(this.#tool, version, text, { netns, ...this.#options() });
  }

  #options(): { readonly cgroupNamespace?: string } {
    return this.#cgroupNamespace === undefined ? {} : { cgroupNamespace: this.#cgroupNamespace };
  }
}

function versionsOf(netns: NetnsRef, { hasIpv6 }: ProbeRules): readonly IpVersion[] {
  return hasIpv6 ? versionsIn(netns) : [4];
}

/** Where the kernel has no IPv6, ip6tables fails. */
function versionsIn(netns: NetnsRef): readonly IpVersion[] {
  return readSysctl(netns, "net/ipv6/conf/all/disable_ipv6") === undefined ? [4] : [4, 6];
}
