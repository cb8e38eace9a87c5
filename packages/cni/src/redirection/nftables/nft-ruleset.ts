// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import { CONNECTION_MARK, DNS_PORT, DNS_ZONE, FOREIGN_MARK_BITS, MARK_MASK, PACKET_MARK } from "../numbers.ts";
import type { PodRules } from "../redirection.ts";

/** Tables in a pod, named as by Istio's agent in its native nftables mode. */
export const NFT_TABLES = ["istio-ambient-mangle", "istio-ambient-raw", "istio-ambient-nat"] as const;

type Table = (typeof NFT_TABLES)[number];
type Hook = "prerouting" | "output";

const NAT: Table = "istio-ambient-nat";
const HOOKS: readonly Hook[] = ["prerouting", "output"];
/** Kind and priority of the base chains. A chain of type "route" looks for the route again when the mark has changed. */
const BASE_CHAINS: Readonly<Record<Table, Readonly<Record<Hook, string>>>> = {
  "istio-ambient-mangle": {
    prerouting: "type filter hook prerouting priority -150",
    output: "type route hook output priority -150",
  },
  "istio-ambient-raw": {
    prerouting: "type filter hook prerouting priority -300",
    output: "type filter hook output priority -300",
  },
  "istio-ambient-nat": {
    prerouting: "type nat hook prerouting priority -100",
    output: "type nat hook output priority -100",
  },
};

const BY_PROXY = `meta mark & ${MARK_MASK} == ${PACKET_MARK}`;
const NOT_BY_PROXY = `meta mark & ${MARK_MASK} != ${PACKET_MARK}`;
const TCP = "meta l4proto tcp";
const TO_DNS_PROXY = `${NOT_BY_PROXY} counter redirect to :${PORTS.DNS}`;

type TableRules = Readonly<Record<Hook, readonly string[]>>;

/** An nft rule set that replaces whatever of ours is there by the rules of a pod, as one transaction. */
export function nftRuleset(rules: PodRules): string {
  const contents: Readonly<Record<Table, TableRules>> = {
    "istio-ambient-mangle": {
      prerouting: [`${BY_PROXY} counter ct mark set ct mark & ${FOREIGN_MARK_BITS} | ${CONNECTION_MARK}`],
      output: [`ct mark & ${MARK_MASK} == ${CONNECTION_MARK} counter meta mark set ct mark`],
    },
    "istio-ambient-raw": {
      prerouting: rules.hasDnsCapture ? [`udp sport ${DNS_PORT} ${NOT_BY_PROXY} counter ct zone set ${DNS_ZONE}`] : [],
      output: rules.hasDnsCapture ? [`udp dport ${DNS_PORT} ${BY_PROXY} counter ct zone set ${DNS_ZONE}`] : [],
    },
    "istio-ambient-nat": { prerouting: natPrerouting(rules), output: natOutput(rules) },
  };
  return nftRemoval() + NFT_TABLES.map((table) => tableText(table, contents[table])).join("");
}

/** Takes all our tables away. Naming a table makes it exist first, so that deleting never fails. */
export function nftRemoval(): string {
  return NFT_TABLES.map((table) => `table inet ${table}\ndelete table inet ${table}\n`).join("");
}

/** Empties what decides about new connections. The base chains stay: without them the kernel stops translating old ones. */
export function nftRelease(): string {
  const flush = (hook: Hook): string => `add chain inet ${NAT} istio-${hook}\nflush chain inet ${NAT} istio-${hook}\n`;
  return `add table inet ${NAT}\n${HOOKS.map(flush).join("")}`;
}

function natPrerouting(rules: PodRules): readonly string[] {
  const { v4, v6 } = rules.probeSource;
  const fromInside = rules.outboundInterfaces.flatMap((name) => [
    `iifname "${name}" ${everyFamily(rules)}${TCP} counter redirect to :${PORTS.OUTBOUND}`,
    `iifname "${name}" ${everyFamily(rules)}${TCP} counter return`,
  ]);
  if (!rules.hasInboundCapture) return fromInside;
  return [
    ...fromInside,
    ...perFamily(
      rules,
      `ip saddr ${v4} ${rules.hasProbeHopCheck ? "ip ttl 255 " : ""}${TCP} counter accept`,
      `ip6 saddr ${v6} ${rules.hasProbeHopCheck ? "ip6 hoplimit 255 " : ""}${TCP} counter accept`,
    ),
    ...notToLoopback(
      rules,
      `tcp dport != ${PORTS.HBONE} ${NOT_BY_PROXY} counter redirect to :${PORTS.INBOUND_PLAINTEXT}`,
    ),
  ];
}

function natOutput(rules: PodRules): readonly string[] {
  const { v4, v6 } = rules.probeSource;
  const dns = [
    `oifname != "lo" ${everyFamily(rules)}udp dport ${DNS_PORT} ${TO_DNS_PROXY}`,
    ...notToLoopback(rules, `tcp dport ${DNS_PORT} ${TO_DNS_PROXY}`),
  ];
  return [
    ...perFamily(rules, `ip daddr ${v4} ${TCP} counter accept`, `ip6 daddr ${v6} ${TCP} counter accept`),
    ...(rules.hasDnsCapture ? dns : []),
    `${TCP} meta mark & ${MARK_MASK} == ${CONNECTION_MARK} counter accept`,
    ...notToLoopback(rules, 'oifname "lo" counter accept'),
    ...notToLoopback(rules, `${TCP} ${NOT_BY_PROXY} counter redirect to :${PORTS.OUTBOUND}`),
  ];
}

/** Tables of family inet see both IP versions; without IPv6 rules must not reach further than iptables would. */
function everyFamily({ hasIpv6 }: PodRules): string {
  return hasIpv6 ? "" : "meta nfproto ipv4 ";
}

function perFamily({ hasIpv6 }: PodRules, v4: string, v6: string): readonly string[] {
  return hasIpv6 ? [v4, v6] : [v4];
}

function notToLoopback(rules: PodRules, rule: string): readonly string[] {
  return perFamily(rules, `ip daddr != 127.0.0.1 ${rule}`, `ip6 daddr != ::1 ${rule}`);
}

function tableText(table: Table, rules: TableRules): string {
  const chains = HOOKS.filter((hook) => rules[hook].length > 0).map((hook) =>
    [
      `  chain ${hook} {`,
      `    ${BASE_CHAINS[table][hook]}; policy accept;`,
      `    jump istio-${hook}`,
      "  }",
      `  chain istio-${hook} {`,
      ...rules[hook].map((rule) => `    ${rule}`),
      "  }\n",
    ].join("\n"),
  );
  return chains.length === 0 ? "" : `table inet ${table} {\n${chains.join("")}}\n`;
}
