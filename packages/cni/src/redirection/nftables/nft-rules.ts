// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import {
  applyNftables,
  canonicalNftables,
  comparableNftables,
  listNftables,
  nftGeneration,
  type NetnsRef,
  type NftObject,
} from "@ambientmesh/linux";
import { CanonicalForms } from "../canonical-forms.ts";
import type { PacketRules } from "../packet-rules.ts";
import type { PodRules, RedirectionState } from "../redirection.ts";
import { NFT_TABLES, nftRelease, nftRemoval, nftRuleset } from "./nft-ruleset.ts";

const OURS: ReadonlySet<unknown> = new Set(NFT_TABLES);

/** Rules of pods in nft's language: three tables, always replaced together. */
export class NftRules implements PacketRules {
  readonly name = "nftables";
  readonly #forms = new CanonicalForms((text) => canonicalNftables(text));

  async rehearse(rules: PodRules): Promise<void> {
    await this.#forms.of(nftRuleset(rules));
  }

  async apply(netns: NetnsRef, rules: PodRules): Promise<void> {
    await applyNftables(nftRuleset(rules), { netns });
  }

  async inspect(netns: NetnsRef, rules: PodRules): Promise<RedirectionState> {
    const present = await ownObjects(netns);
    if (present.length === 0) return "absent";
    return isDeepStrictEqual(present, await this.#forms.of(nftRuleset(rules))) ? "intact" : "altered";
  }

  generation(netns: NetnsRef): number {
    return nftGeneration(netns);
  }

  async release(netns: NetnsRef): Promise<void> {
    await applyNftables(nftRelease(), { netns });
  }

  async remove(netns: NetnsRef): Promise<void> {
    await applyNftables(nftRemoval(), { netns });
  }

  async isPresent(netns: NetnsRef): Promise<boolean> {
    return (await ownObjects(netns)).length > 0;
  }
}

/** What a pod holds of our tables; it may have others of its own. */
async function ownObjects(netns: NetnsRef): Promise<readonly NftObject[]> {
  return comparableNftables((await listNftables({ netns })) ?? []).filter(isOurs);
}

/** Tables have a name, everything inside a table says which. */
function isOurs(object: NftObject): boolean {
  return Object.entries(object as Readonly<Record<string, { readonly name?: unknown; readonly table?: unknown }>>).some(
    ([kind, { name, table }]) => OURS.has(kind === "table" ? name : table),
  );
}
