// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import {
  applyNftables,
  canonicalNftables,
  comparableNftables,
  linuxErrors,
  listNftables,
  type NetnsRef,
  type NftObject,
} from "@ambientmesh/linux";
import type { RedirectionState } from "../redirection/redirection.ts";
import { DYNAMIC_SETS, NODE_FAMILIES, NODE_TABLE, nftProbeRemoval, nftProbeRuleset } from "./nft-probe-ruleset.ts";
import type { ProbeRuleSet, ProbeRules } from "./probe-rules.ts";

/** Rules of a node in nft's language: one table per family, always replaced together. */
export class NftProbeRules implements ProbeRuleSet {
  readonly name = "nftables";
  /** Undefined until it was tried: not every kernel filters on bridges. */
  #hasBridge: boolean | undefined;
  readonly #options: { readonly cgroupNamespace?: string };
  #canonical: { readonly text: string; readonly form: readonly NftObject[] } | undefined;

  constructor(cgroupNamespace?: string) {
    this.#options = cgroupNamespace === undefined ? {} : { cgroupNamespace };
  }

  async apply(netns: NetnsRef, rules: ProbeRules): Promise<void> {
    const text = await this.#textOf(rules);
    // What the kernel refuses is found out in a namespace of nobody.
    await this.#canonicalOf(text);
    await applyNftables(text, { netns, ...this.#options });
  }

  async inspect(netns: NetnsRef, rules: ProbeRules): Promise<RedirectionState> {
    const present = await ownObjects(netns);
    if (present.length === 0) return "absent";
    return isDeepStrictEqual(present, await this.#canonicalOf(await this.#textOf(rules))) ? "intact" : "altered";
  }

  async remove(netns: NetnsRef): Promise<void> {
    await applyNftables(nftProbeRemoval(await this.#canFilterBridges()), { netns });
  }

  async #textOf(rules: ProbeRules): Promise<string> {
    return nftProbeRuleset(rules, await this.#canFilterBridges());
  }

  async #canonicalOf(text: string): Promise<readonly NftObject[]> {
    if (this.#canonical?.text !== text) {
      this.#canonical = { text, form: withoutContents(await canonicalNftables(text, this.#options)) };
    }
    return this.#canonical.form;
  }

  async #canFilterBridges(): Promise<boolean> {
    if (this.#hasBridge !== undefined) return this.#hasBridge;
    const probe = "table bridge t {\n  chain c {\n    type filter hook prerouting priority -300;\n  }\n}\n";
    try {
      await canonicalNftables(probe);
      this.#hasBridge = true;
    } catch (error) {
      if (!linuxErrors.is(error, "LINUX_FEATURE_MISSING") && !linuxErrors.is(error, "LINUX_TOOL_FAILED")) throw error;
      this.#hasBridge = false;
    }
    return this.#hasBridge;
  }
}

async function ownObjects(netns: NetnsRef): Promise<readonly NftObject[]> {
  const tables = NODE_FAMILIES.map((family) => listNftables({ netns }, { family, name: NODE_TABLE }));
  return withoutContents(comparableNftables((await Promise.all(tables)).flatMap((objects) => objects ?? [])));
}

/** Without the connections that are open just now. */
function withoutContents(objects: readonly NftObject[]): readonly NftObject[] {
  return objects.map((object) => {
    const { set } = object as { readonly set?: Readonly<Record<string, unknown>> };
    if (!set || !DYNAMIC_SETS.has(set["name"])) return object;
    const { elem: _, ...rest } = set;
    return { set: rest };
  });
}
