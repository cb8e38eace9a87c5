// SPDX-License-Identifier: Apache-2.0
import type { NetnsRef } from "../netns/netns.ts";
import { askNetlink, netlinkAttributes } from "./netlink.ts";

// linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETGEN = 16;
const NFTA_GEN_ID = 1;
const NFGENMSG_BYTES = 4;

/**
 * A number that is another one after every change of a namespace's nftables rules, whoever made it (iptables-nft
 * included). Rules of legacy iptables have nothing of the kind.
 * @throws MeshError LINUX_CAPABILITY_MISSING (CAP_NET_ADMIN), LINUX_FEATURE_MISSING, LINUX_SYSCALL
 */
export function nftGeneration(netns: NetnsRef): number {
  const type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
  const [answer] = askNetlink(netns, NETLINK_NETFILTER, { type, isDump: false, body: Buffer.alloc(NFGENMSG_BYTES) });
  const attributes = answer ? netlinkAttributes(answer.body.subarray(NFGENMSG_BYTES)) : [];
  const id = attributes.find((attribute) => attribute.type === NFTA_GEN_ID)?.value;
  return id && id.length >= 4 ? id.readUInt32BE(0) : 0;
}
