// SPDX-License-Identifier: Apache-2.0
import { CHAINS, IPTABLES_TABLES, type Chain, type IptablesRules, type IptablesTable } from "./iptables-ruleset.ts";

const OUR_CHAINS = Object.keys(CHAINS) as readonly Chain[];

/** Lines of `iptables-save` that are ours, by table: `:ISTIO_OUTPUT - [0:0]`, `-A OUTPUT -j ISTIO_OUTPUT`, `-A ISTIO_OUTPUT …`. */
export type OwnLines = ReadonlyMap<string, readonly string[]>;

/** Picks our lines out of saved rules in comparable form (see `comparableIptables`); a pod may have others of its own. */
export function ownLines(lines: readonly string[]): OwnLines {
  const own = new Map<string, string[]>();
  let table = "";
  for (const line of lines) {
    if (line.startsWith("*")) table = line.slice(1);
    if (!OUR_CHAINS.some((chain) => line.split(" ").includes(chain) || line.startsWith(`:${chain} `))) continue;
    const present = own.get(table);
    if (present) present.push(line);
    else own.set(table, [line]);
  }
  return own;
}

/**
 * Text for `iptables-restore --noflush` that turns what is there into what is wanted, one transaction per table. Tables
 * where nothing is there and nothing is wanted are not touched, so that the kernel does not have to load them.
 */
export function restoreText(present: OwnLines, wanted: IptablesRules): string {
  const changed = IPTABLES_TABLES.filter((table) => present.has(table) || hasRules(wanted[table]));
  // Whoever takes rules away begins with what takes connections over.
  const isRemoval = !IPTABLES_TABLES.some((table) => hasRules(wanted[table]));
  const ordered = isRemoval ? changed.toReversed() : changed;
  return ordered.map((table) => tableText(table, present.get(table) ?? [], wanted[table])).join("");
}

/** Empties what decides about new connections; old ones stay translated. */
export function releaseText(): string {
  return `*nat\n${OUR_CHAINS.map(declaration).join("\n")}\nCOMMIT\n`;
}

function tableText(
  table: IptablesTable,
  present: readonly string[],
  wanted: Readonly<Record<Chain, readonly string[]>>,
): string {
  const isThere = (chain: Chain): boolean => present.some((line) => line.startsWith(`:${chain} `));
  const touched = OUR_CHAINS.filter((chain) => isThere(chain) || wanted[chain].length > 0);
  return [
    `*${table}`,
    // Declaring a chain that is there empties it.
    ...touched.map(declaration),
    ...present.filter((line) => line.startsWith("-A ") && !isInOurChain(line)).map((line) => `-D${line.slice(2)}`),
    ...touched.filter((chain) => wanted[chain].length === 0).map((chain) => `-X ${chain}`),
    ...touched.filter((chain) => wanted[chain].length > 0).map((chain) => `-A ${CHAINS[chain]} -j ${chain}`),
    ...touched.flatMap((chain) => wanted[chain].map((rule) => `-A ${chain} ${rule}`)),
    "COMMIT\n",
  ].join("\n");
}

function hasRules(chains: Readonly<Record<Chain, readonly string[]>>): boolean {
  return OUR_CHAINS.some((chain) => chains[chain].length > 0);
}

function isInOurChain(line: string): boolean {
  return OUR_CHAINS.some((chain) => line.startsWith(`-A ${chain} `));
}

function declaration(chain: Chain): string {
  return `:${chain} - [0:0]`;
}
