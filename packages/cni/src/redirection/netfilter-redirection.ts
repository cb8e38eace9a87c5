// SPDX-License-Identifier: Apache-2.0
import { readSysctl, routingFingerprint, writeSysctl, type NetnsRef } from "@ambientmesh/linux";
import type { PacketRules } from "./packet-rules.ts";
import { addPolicyRouting, hasPolicyRouting, removePolicyRouting } from "./policy-routing.ts";
import type { PodRules, Redirection, RedirectionState } from "./redirection.ts";

/*
 * Whether connection tracking takes up connections whose beginning it has not seen. It would: tracking starts in a pod
 * with our first rule, the next packet of each open connection would count as the first of a new one, be redirected, and
 * answered with a reset. Switched off, such packets belong to no connection and no NAT rule looks at them, while real
 * connections all begin with a SYN. (A rule for SYN packets only would do the same, but let an attacker open the way
 * past the proxy with a stray ACK.)
 */
const PICK_UP = "net/netfilter/nf_conntrack_tcp_loose";
const KERNEL_DEFAULT = "1";

/** Redirection by rules of netfilter: nftables or iptables, which differ in their language only. */
export class NetfilterRedirection implements Redirection {
  readonly #rules: PacketRules;
  readonly #predecessors: readonly PacketRules[];
  /** Namespaces (by device and inode) in which rules of predecessors were seen. */
  readonly #inherited = new Map<string, readonly PacketRules[]>();

  /** `predecessors`: other languages, in which an agent of before may have left rules; {@link inspect} looks for them. */
  constructor(rules: PacketRules, predecessors: readonly PacketRules[] = []) {
    this.#rules = rules;
    this.#predecessors = predecessors;
  }

  get name(): string {
    return this.#rules.name;
  }

  async apply(netns: NetnsRef, rules: PodRules): Promise<void> {
    // Before anything is touched. Connection tracking has no settings until its module is loaded, which this does.
    await this.#rules.rehearse(rules);
    writeSysctl(netns, PICK_UP, "0");
    await addPolicyRouting(netns, rules);
    await this.#rules.apply(netns, rules);
    await this.#removeInherited(netns);
  }

  async inspect(netns: NetnsRef, rules: PodRules): Promise<RedirectionState> {
    const state = await this.#rules.inspect(netns, rules);
    if (state === "absent") return (await this.#lookForInherited(netns)) ? "altered" : "absent";
    if (state === "altered" || readSysctl(netns, PICK_UP) !== "0") return "altered";
    return (await hasPolicyRouting(netns, rules)) ? "intact" : "altered";
  }

  fingerprint(netns: NetnsRef): string | undefined {
    const generation = this.#rules.generation(netns);
    if (generation === undefined) return undefined;
    return `${generation} ${readSysctl(netns, PICK_UP)} ${routingFingerprint(netns)}`;
  }

  async release(netns: NetnsRef): Promise<void> {
    await this.#rules.release(netns);
    for (const rules of this.#inherited.get(keyOf(netns)) ?? []) await rules.release(netns);
  }

  async remove(netns: NetnsRef): Promise<void> {
    await this.#removeInherited(netns);
    await this.#rules.remove(netns);
    await removePolicyRouting(netns);
    if (readSysctl(netns, PICK_UP) === "0") writeSysctl(netns, PICK_UP, KERNEL_DEFAULT);
  }

  async #lookForInherited(netns: NetnsRef): Promise<boolean> {
    const found: PacketRules[] = [];
    for (const rules of this.#predecessors) if (await rules.isPresent(netns)) found.push(rules);
    if (found.length > 0) this.#inherited.set(keyOf(netns), found);
    return found.length > 0;
  }

  async #removeInherited(netns: NetnsRef): Promise<void> {
    for (const rules of this.#inherited.get(keyOf(netns)) ?? []) await rules.remove(netns);
    this.#inherited.delete(keyOf(netns));
  }
}

function keyOf({ dev, ino }: NetnsRef): string {
  return `${dev}:${ino}`;
}
