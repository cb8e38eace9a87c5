// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from "node:net";
import type { NetnsRef } from "@ambientmesh/linux";
import type { DualStackAddress, RedirectionState } from "../redirection/redirection.ts";
import type { ProbeOrigin } from "./kubelet.ts";

/** Everything that the rules of a node depend on. */
export interface ProbeRules {
  /** Whose connections are probes. */
  readonly origin: ProbeOrigin;
  /** Pods of the mesh on this node: connections to others are left alone. */
  readonly addresses: readonly string[];
  /** The address that probes get. */
  readonly source: DualStackAddress;
  readonly hasIpv6: boolean;
}

/**
 * Marks the health probes of a node, in the node's own network namespace: connections that the kubelet itself opens to
 * pods of the mesh leave with a source address and a TTL (255) that nobody else can send. Packets that come in with
 * that address are dropped, from wherever; a TTL of 255 does not survive a router (RFC 5082).
 */
export interface ProbeRuleSet {
  readonly name: "iptables" | "nftables";
  /** Makes it so, whatever was there before; connections that were translated go on. @throws MeshError LINUX_* */
  apply(netns: NetnsRef, rules: ProbeRules): Promise<void>;
  inspect(netns: NetnsRef, rules: ProbeRules): Promise<RedirectionState>;
  /** Leaves the node as it was. @throws MeshError LINUX_* */
  remove(netns: NetnsRef): Promise<void>;
}

/** The address family's part of the pods' addresses, in a stable order. What is no plain address is left out. */
export function addressesOfFamily({ addresses, hasIpv6 }: ProbeRules, version: 4 | 6): readonly string[] {
  if (version === 6 && !hasIpv6) return [];
  // They end up inside rules; an IPv6 address with a zone could bring anything along.
  const isOfFamily = (text: string): boolean => (version === 4 ? isIPv4(text) : isIPv6(text) && !text.includes("%"));
  return [...new Set(addresses.filter(isOfFamily))].toSorted();
}
