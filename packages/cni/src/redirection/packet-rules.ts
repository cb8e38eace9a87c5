// SPDX-License-Identifier: Apache-2.0
import type { NetnsRef } from "@ambientmesh/linux";
import type { PodRules, RedirectionState } from "./redirection.ts";

/** The part of a {@link Redirection} that differs between the rule languages of netfilter. */
export interface PacketRules {
  readonly name: "iptables" | "nftables";
  /** Tries the rules where they harm nobody, which also makes the kernel load what they need. */
  rehearse(rules: PodRules): Promise<void>;
  apply(netns: NetnsRef, rules: PodRules): Promise<void>;
  inspect(netns: NetnsRef, rules: PodRules): Promise<RedirectionState>;
  /** Another number after every change of rules; undefined where the kernel keeps none. */
  generation(netns: NetnsRef): number | undefined;
  release(netns: NetnsRef): Promise<void>;
  remove(netns: NetnsRef): Promise<void>;
  /** True if any rules of this language and of ours (or of Istio's agent) are there. */
  isPresent(netns: NetnsRef): Promise<boolean>;
}
