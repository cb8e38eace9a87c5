// SPDX-License-Identifier: Apache-2.0
import type { ProbeOrigin } from "./kubelet.ts";
import { addressesOfFamily, type ProbeRules } from "./probe-rules.ts";

/** Name of our tables on a node; of family inet for what is routed, of family bridge for what is not. */
export const NODE_TABLE = "istio-ambient-node";
export const NODE_FAMILIES = ["inet", "bridge"] as const;

/** Connections whose first packet the origin has sent; filled by a rule, and therefore no part of what is compared. */
export const DYNAMIC_SETS: ReadonlySet<unknown> = new Set(["opened-v4", "opened-v6"]);

/*
 * The kernel tells the control group of a socket on the way out (hook output), but translates sources at the end of the
 * way (postrouting). In between, a connection is known by its addresses: a packet mark would do as well, but marks of a
 * node belong to its CNI.
 */
const FAMILIES = [
  { version: 4, ip: "ip", type: "ipv4_addr", suffix: "v4", hops: "ttl" },
  { version: 6, ip: "ip6", type: "ipv6_addr", suffix: "v6", hops: "hoplimit" },
] as const;

type Family = (typeof FAMILIES)[number];

const BEFORE_CONNTRACK = -310;
/** One before the place where CNIs translate sources: the first translation counts. */
const BEFORE_OTHERS = 99;
const AFTER_TRANSLATION = 110;

/** An nft rule set that replaces whatever of ours is on a node, as one transaction. */
export function nftProbeRuleset(rules: ProbeRules, hasBridge: boolean): string {
  const families = FAMILIES.filter(({ version }) => version === 4 || rules.hasIpv6);
  const chain = (name: string, head: string, lines: readonly string[]): readonly string[] => [
    `  chain ${name} {`,
    `    type ${head}; policy accept;`,
    ...lines.map((line) => `    ${line}`),
    "  }",
  ];
  const inet = [
    `table inet ${NODE_TABLE} {`,
    ...families.flatMap((family) => sets(family, addressesOfFamily(rules, family.version))),
    ...chain(
      "output",
      "filter hook output priority 0",
      families.map((family) => remember(family, rules.origin)),
    ),
    ...chain(
      "postrouting",
      `nat hook postrouting priority ${BEFORE_OTHERS}`,
      families.map((family) => translate(family, rules)),
    ),
    ...chain(
      "stamp",
      `filter hook postrouting priority ${AFTER_TRANSLATION}`,
      families.map((family) => `${fromProbeSource(family, rules)} ${family.ip} ${family.hops} set 255`),
    ),
    ...chain(
      "guard",
      `filter hook prerouting priority ${BEFORE_CONNTRACK}`,
      families.map((family) => `iifname != "lo" ${fromProbeSource(family, rules)} counter drop`),
    ),
    "}\n",
  ];
  const bridge = [
    `table bridge ${NODE_TABLE} {`,
    ...chain(
      "guard",
      "filter hook prerouting priority -300",
      families.map((family) => `${fromProbeSource(family, rules)} counter drop`),
    ),
    "}\n",
  ];
  return nftProbeRemoval(hasBridge) + [...inet, ...(hasBridge ? bridge : [])].join("\n");
}

/** Takes our tables away. Naming a table makes it exist first, so that deleting never fails. */
export function nftProbeRemoval(hasBridge: boolean): string {
  return NODE_FAMILIES.filter((family) => family === "inet" || hasBridge)
    .map((family) => `table ${family} ${NODE_TABLE}\ndelete table ${family} ${NODE_TABLE}\n`)
    .join("");
}

function sets({ type, suffix }: Family, addresses: readonly string[]): readonly string[] {
  return [
    `  set pods-${suffix} {`,
    `    type ${type}`,
    ...(addresses.length > 0 ? [`    elements = { ${addresses.join(", ")} }`] : []),
    "  }",
    `  set opened-${suffix} {`,
    `    type ${type} . inet_service . ${type} . inet_service`,
    "    size 65535",
    "    flags dynamic,timeout",
    "    timeout 1m",
    "  }",
  ];
}

function remember(family: Family, origin: ProbeOrigin): string {
  const toPod = `${family.ip} daddr @pods-${family.suffix} tcp flags & (syn | ack) == syn`;
  return `${ofOrigin(origin)} ${toPod} counter update @opened-${family.suffix} { ${connection(family)} }`;
}

function translate(family: Family, rules: ProbeRules): string {
  const { ip, suffix } = family;
  return `${connection(family)} @opened-${suffix} counter snat ${ip} to ${rules.source[suffix]}`;
}

function fromProbeSource({ ip, suffix }: Family, { source }: ProbeRules): string {
  return `${ip} saddr ${source[suffix]}`;
}

function connection({ ip }: Family): string {
  return `${ip} saddr . tcp sport . ${ip} daddr . tcp dport`;
}

function ofOrigin(origin: ProbeOrigin): string {
  if (origin.kind === "uid") return `meta skuid ${origin.uid}`;
  return `socket cgroupv2 level ${origin.path.split("/").length} "${origin.path}"`;
}
