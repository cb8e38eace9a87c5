// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "@ambientmesh/core";
import { chooseIptables, detectIptables, detectNft, linuxErrors, type IptablesTool } from "@ambientmesh/linux";
import { cniErrors } from "../errors.ts";
import { IptablesRules } from "./iptables/iptables-rules.ts";
import { NetfilterRedirection } from "./netfilter-redirection.ts";
import { NftRules } from "./nftables/nft-rules.ts";
import type { Redirection } from "./redirection.ts";

/** "auto": nftables, or iptables where nft is missing. */
export type RedirectionKind = "auto" | "iptables" | "nftables";

/**
 * Finds the tools of the node and decides by which of them pods are redirected.
 * @throws MeshError CNI_REDIRECTION_UNAVAILABLE
 */
export async function chooseRedirection(kind: RedirectionKind, logger: Logger): Promise<Redirection> {
  const nft = await detectNft();
  const hasNft = nft?.hasJson === true;
  const iptables = await detectIptables();
  const useNft = kind === "nftables" || (kind === "auto" && hasNft);
  if (useNft && !hasNft) {
    throw unavailable(nft ? `nft ${nft.version} is built without JSON` : "nft is not installed", kind);
  }
  if (useNft) {
    logger.info("pods are redirected by nftables", { version: nft?.version });
    return new NetfilterRedirection(
      new NftRules(),
      iptables.map((tool) => new IptablesRules(tool)),
    );
  }
  const tool = await usableIptables(kind);
  logger.info("pods are redirected by iptables", { version: tool.version, variant: tool.variant });
  return new NetfilterRedirection(new IptablesRules(tool), hasNft ? [new NftRules()] : []);
}

/** The same variant for all pods: the one that the node uses itself. */
async function usableIptables(kind: RedirectionKind): Promise<IptablesTool> {
  try {
    return await chooseIptables();
  } catch (error) {
    if (!linuxErrors.is(error)) throw error;
    throw unavailable(`iptables can't be used: ${error.message}`, kind, error);
  }
}

function unavailable(why: string, kind: RedirectionKind, cause?: unknown): Error {
  const advice = kind === "auto" ? "install nftables or iptables" : "install it, or set AMBIENT_REDIRECTION=auto";
  return cniErrors.create("CNI_REDIRECTION_UNAVAILABLE", `pods can't be redirected by ${kind}: ${why}; ${advice}`, {
    cause,
    details: { kind },
  });
}
