// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import {
  canonicalIptables,
  comparableIptables,
  nftGeneration,
  readSysctl,
  restoreIptables,
  saveIptables,
  type IptablesTool,
  type IpVersion,
  type NetnsRef,
} from "@ambientmesh/linux";
import { CanonicalForms } from "../canonical-forms.ts";
import type { PacketRules } from "../packet-rules.ts";
import type { PodRules, RedirectionState } from "../redirection.ts";
import { ownLines, releaseText, restoreText, type OwnLines } from "./iptables-restore.ts";
import { NO_RULES, POD_LAYOUT, iptablesRules } from "./iptables-ruleset.ts";

const NOTHING: OwnLines = new Map();

/** Rules of pods in the language of iptables; one transaction per table and IP version. */
export class IptablesRules implements PacketRules {
  readonly name = "iptables";
  readonly #tool: IptablesTool;
  readonly #forms: Readonly<Record<IpVersion, CanonicalForms<OwnLines>>>;

  constructor(tool: IptablesTool) {
    this.#tool = tool;
    const forms = (version: IpVersion): CanonicalForms<OwnLines> =>
      new CanonicalForms(async (text) => ownLines(await canonicalIptables(tool, version, text), POD_LAYOUT));
    this.#forms = { 4: forms(4), 6: forms(6) };
  }

  async rehearse(rules: PodRules): Promise<void> {
    for (const version of versionsOf(rules)) await this.#canonical(rules, version);
  }

  async apply(netns: NetnsRef, rules: PodRules): Promise<void> {
    for (const version of versionsOf(rules)) {
      await this.#restore(
        netns,
        version,
        restoreText(await this.#present(netns, version), iptablesRules(rules, version), POD_LAYOUT),
      );
    }
  }

  async inspect(netns: NetnsRef, rules: PodRules): Promise<RedirectionState> {
    let hasAny = false;
    let isAsWanted = true;
    for (const version of versionsOf(rules)) {
      const present = await this.#present(netns, version);
      hasAny ||= present.size > 0;
      isAsWanted &&= isDeepStrictEqual(present, await this.#canonical(rules, version));
    }
    if (!hasAny) return "absent";
    return isAsWanted ? "intact" : "altered";
  }

  generation(netns: NetnsRef): number | undefined {
    return this.#tool.variant === "nft" ? nftGeneration(netns) : undefined;
  }

  async release(netns: NetnsRef): Promise<void> {
    for (const version of versionsIn(netns)) {
      const present = await this.#present(netns, version);
      if (present.has("nat")) await this.#restore(netns, version, releaseText(POD_LAYOUT));
    }
  }

  async remove(netns: NetnsRef): Promise<void> {
    for (const version of versionsIn(netns)) {
      await this.#restore(netns, version, restoreText(await this.#present(netns, version), NO_RULES, POD_LAYOUT));
    }
  }

  async isPresent(netns: NetnsRef): Promise<boolean> {
    for (const version of versionsIn(netns)) if ((await this.#present(netns, version)).size > 0) return true;
    return false;
  }

  #canonical(rules: PodRules, version: IpVersion): Promise<OwnLines> {
    return this.#forms[version].of(restoreText(NOTHING, iptablesRules(rules, version), POD_LAYOUT));
  }

  async #present(netns: NetnsRef, version: IpVersion): Promise<OwnLines> {
    return ownLines(comparableIptables(await saveIptables(this.#tool, version, { netns })), POD_LAYOUT);
  }

  async #restore(netns: NetnsRef, version: IpVersion, text: string): Promise<void> {
    if (text !== "") await restoreIptables(this.#tool, version, text, { netns });
  }
}

function versionsOf({ hasIpv6 }: PodRules): readonly IpVersion[] {
  return hasIpv6 ? [4, 6] : [4];
}

/** Where the kernel has no IPv6, ip6tables fails. */
function versionsIn(netns: NetnsRef): readonly IpVersion[] {
  return readSysctl(netns, "net/ipv6/conf/all/disable_ipv6") === undefined ? [4] : [4, 6];
}
