// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { BlockList, isIPv4 } from "node:net";
import { inNetns, type NetnsRef } from "@ambientmesh/linux";

/**
 * True if one of the addresses is configured in the namespace. Asks the kernel, not a program: this is done for every
 * candidate.
 * @throws MeshError LINUX_CAPABILITY_MISSING
 */
export function holdsAnyAddress(netns: NetnsRef, addresses: readonly string[]): boolean {
  const [fibTrie, ifInet6] = inNetns(netns, () => [read("fib_trie"), read("if_inet6")] as const);
  const held = new BlockList();
  for (const address of localIpv4Addresses(fibTrie)) held.addAddress(address, "ipv4");
  for (const address of ipv6Addresses(ifInet6)) held.addAddress(address, "ipv6");
  return addresses.some((address) => held.check(address, isIPv4(address) ? "ipv4" : "ipv6"));
}

/** The addresses of `/proc/net/fib_trie` that the kernel takes for its own, without those of loopback. */
export function localIpv4Addresses(fibTrie: string): readonly string[] {
  const found = new Set<string>();
  let leaf = "";
  for (const line of fibTrie.split("\n")) {
    leaf = /^\s*\|-- (\d+\.\d+\.\d+\.\d+)$/.exec(line)?.[1] ?? leaf;
    if (/^\s*\/32 host LOCAL\s*$/.test(line) && isIPv4(leaf) && !leaf.startsWith("127.")) found.add(leaf);
  }
  return [...found];
}

/** The addresses of `/proc/net/if_inet6`, without those of loopback and of the link alone, which many namespaces share. */
export function ipv6Addresses(ifInet6: string): readonly string[] {
  return ifInet6.split("\n").flatMap((line) => {
    const digits = /^([0-9a-f]{32}) /.exec(line)?.[1];
    const groups = digits?.match(/.{4}/g)?.join(":");
    return groups === undefined || /^(0000:){7}0001$|^fe80:/.test(groups) ? [] : [groups];
  });
}

/** Of the namespace the thread is in; empty where the kernel lacks the protocol. */
function read(name: "fib_trie" | "if_inet6"): string {
  try {
    return readFileSync(`/proc/thread-self/net/${name}`, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}
