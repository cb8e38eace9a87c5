// SPDX-License-Identifier: Apache-2.0

/** The chains of ours in a kind of rule set. */
export interface ChainLayout {
  /** In the order in which they are filled; emptied the other way round. */
  readonly tables: readonly string[];
  /** Our chains, and the built-in chains that lead to them. */
  readonly chains: Readonly<Record<string, string>>;
  /** Whether packets pass our chains before those of others. */
  readonly isFirst: boolean;
}

/** What follows `-A CHAIN`, by table and chain. Chains without rules are not made. */
export type ChainRules = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** Lines of `iptables-save` that are ours, by table: `:ISTIO_OUTPUT - [0:0]`, `-A OUTPUT -j ISTIO_OUTPUT`, `-A ISTIO_OUTPUT …`. */
export type OwnLines = ReadonlyMap<string, readonly string[]>;

/** Picks our lines out of saved rules in comparable form (see `comparableIptables`); a pod may have others of its own. */
export function ownLines(lines: readonly string[], { chains }: ChainLayout): OwnLines {
  const names = Object.keys(chains);
  const own = new Map<string, string[]>();
  let table = "";
  for (const line of lines) {
    if (line.startsWith("*")) table = line.slice(1);
    if (!names.some((chain) => line.split(" ").includes(chain) || line.startsWith(`:${chain} `))) continue;
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
export function restoreText(present: OwnLines, wanted: ChainRules, layout: ChainLayout): string {
  const changed = layout.tables.filter((table) => present.has(table) || hasRules(wanted[table]));
  // Whoever takes rules away begins with what takes connections over.
  const isRemoval = !layout.tables.some((table) => hasRules(wanted[table]));
  const ordered = isRemoval ? changed.toReversed() : changed;
  return ordered.map((table) => tableText(table, present.get(table) ?? [], { rules: wanted[table], layout })).join("");
}

/** Empties what decides about new connections; old ones stay translated. */
export function releaseText({ chains }: ChainLayout): string {
  return `*nat\n${Object.keys(chains).map(declaration).join("\n")}\nCOMMIT\n`;
}

function tableText(
  table: string,
  present: readonly string[],
  wanted: { readonly rules: ChainRules[string] | undefined; readonly layout: ChainLayout },
): string {
  const { chains, isFirst } = wanted.layout;
  const names = Object.keys(chains);
  const rulesOf = (chain: string): readonly string[] => wanted.rules?.[chain] ?? [];
  const isThere = (chain: string): boolean => present.some((line) => line.startsWith(`:${chain} `));
  const isOurs = (line: string): boolean => names.some((chain) => line.startsWith(`-A ${chain} `));
  const touched = names.filter((chain) => isThere(chain) || rulesOf(chain).length > 0);
  const filled = touched.filter((chain) => rulesOf(chain).length > 0);
  return [
    `*${table}`,
    // Declaring a chain that is there empties it.
    ...touched.map(declaration),
    ...present.filter((line) => line.startsWith("-A ") && !isOurs(line)).map((line) => `-D${line.slice(2)}`),
    ...touched.filter((chain) => !filled.includes(chain)).map((chain) => `-X ${chain}`),
    ...filled.map((chain) => (isFirst ? `-I ${chains[chain]} 1 -j ${chain}` : `-A ${chains[chain]} -j ${chain}`)),
    ...filled.flatMap((chain) => rulesOf(chain).map((rule) => `-A ${chain} ${rule}`)),
    "COMMIT\n",
  ].join("\n");
}

function hasRules(chains: ChainRules[string] | undefined): boolean {
  return Object.values(chains ?? {}).some((rules) => rules.length > 0);
}

function declaration(chain: string): string {
  return `:${chain} - [0:0]`;
}
