// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import type { IpVersion } from "@ambientmesh/linux";
import { CONNECTION_MARK, DNS_PORT, DNS_ZONE, MARK_MASK, PACKET_MARK } from "../numbers.ts";
import type { PodRules } from "../redirection.ts";
import type { ChainLayout } from "./iptables-restore.ts";

/** Chains of ours, in every table, and the built-in chains that lead to them; named as by Istio's agent. */
export const CHAINS = { ISTIO_PRERT: "PREROUTING", ISTIO_OUTPUT: "OUTPUT" } as const;

export type Chain = keyof typeof CHAINS;

/** nat comes last: it is what takes connections over, and the others have to be there by then. */
export const IPTABLES_TABLES = ["mangle", "raw", "nat"] as const;

/** As `iptables-restore.ts` needs it. */
export const POD_LAYOUT: ChainLayout = { tables: IPTABLES_TABLES, chains: CHAINS, isFirst: false };

export type IptablesTable = (typeof IPTABLES_TABLES)[number];

/** Rules of one IP version: what follows `-A CHAIN`. Chains without rules are not made. */
export type IptablesRules = Readonly<Record<IptablesTable, Readonly<Record<Chain, readonly string[]>>>>;

const ALL_BITS = "0xffffffff";
const BY_PROXY = `-m mark --mark ${PACKET_MARK}/${MARK_MASK}`;
const NOT_BY_PROXY = `-m mark ! --mark ${PACKET_MARK}/${MARK_MASK}`;
const UNROUTED: Readonly<Record<IpVersion, string>> = { 4: "-m ttl --ttl-eq 255", 6: "-m hl --hl-eq 255" };
const LOOPBACK: Readonly<Record<IpVersion, string>> = { 4: "127.0.0.1/32", 6: "::1/128" };

/** The rules of a pod for one IP version. */
export function iptablesRules(rules: PodRules, version: IpVersion): IptablesRules {
  return {
    mangle: {
      ISTIO_PRERT: [`${BY_PROXY} -j CONNMARK --set-xmark ${CONNECTION_MARK}/${MARK_MASK}`],
      ISTIO_OUTPUT: [
        `-m connmark --mark ${CONNECTION_MARK}/${MARK_MASK} -j CONNMARK --restore-mark --nfmask ${ALL_BITS} --ctmask ${ALL_BITS}`,
      ],
    },
    raw: {
      ISTIO_PRERT: rules.hasDnsCapture
        ? [`-p udp ${NOT_BY_PROXY} -m udp --sport ${DNS_PORT} -j CT --zone ${DNS_ZONE}`]
        : [],
      ISTIO_OUTPUT: rules.hasDnsCapture
        ? [`-p udp ${BY_PROXY} -m udp --dport ${DNS_PORT} -j CT --zone ${DNS_ZONE}`]
        : [],
    },
    nat: { ISTIO_PRERT: natPrerouting(rules, version), ISTIO_OUTPUT: natOutput(rules, version) },
  };
}

/** No rules at all. */
export const NO_RULES: IptablesRules = {
  mangle: { ISTIO_PRERT: [], ISTIO_OUTPUT: [] },
  raw: { ISTIO_PRERT: [], ISTIO_OUTPUT: [] },
  nat: { ISTIO_PRERT: [], ISTIO_OUTPUT: [] },
};

function natPrerouting(rules: PodRules, version: IpVersion): readonly string[] {
  const fromInside = rules.outboundInterfaces.flatMap((name) => [
    `-i ${name} -p tcp -j REDIRECT --to-ports ${PORTS.OUTBOUND}`,
    `-i ${name} -p tcp -j RETURN`,
  ]);
  if (!rules.hasInboundCapture) return fromInside;
  return [
    ...fromInside,
    `-s ${probeSource(rules, version)} -p tcp -m tcp${rules.hasProbeHopCheck ? ` ${UNROUTED[version]}` : ""} -j ACCEPT`,
    `! -d ${LOOPBACK[version]} -p tcp -m tcp ! --dport ${PORTS.HBONE} ${NOT_BY_PROXY} -j REDIRECT --to-ports ${PORTS.INBOUND_PLAINTEXT}`,
  ];
}

function natOutput(rules: PodRules, version: IpVersion): readonly string[] {
  const notLoopback = `! -d ${LOOPBACK[version]}`;
  const toDnsProxy = `--dport ${DNS_PORT} ${NOT_BY_PROXY} -j REDIRECT --to-ports ${PORTS.DNS}`;
  return [
    `-d ${probeSource(rules, version)} -p tcp -m tcp -j ACCEPT`,
    ...(rules.hasDnsCapture
      ? [`! -o lo -p udp -m udp ${toDnsProxy}`, `${notLoopback} -p tcp -m tcp ${toDnsProxy}`]
      : []),
    `-p tcp -m mark --mark ${CONNECTION_MARK}/${MARK_MASK} -j ACCEPT`,
    `${notLoopback} -o lo -j ACCEPT`,
    `${notLoopback} -p tcp ${NOT_BY_PROXY} -j REDIRECT --to-ports ${PORTS.OUTBOUND}`,
  ];
}

function probeSource({ probeSource: { v4, v6 } }: PodRules, version: IpVersion): string {
  return version === 4 ? `${v4}/32` : `${v6}/128`;
}
