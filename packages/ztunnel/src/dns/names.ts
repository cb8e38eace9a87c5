// SPDX-License-Identifier: Apache-2.0

/** What a client's search list may have made of a name, and how Kubernetes shortens names. */
export interface NameRules {
  /** Of the pod that asks. */
  readonly namespace: string;
  /** Domain of the cluster: `cluster.local`. */
  readonly domain: string;
  /** Domains that the client may have appended. */
  readonly searchDomains: readonly string[];
}

/** A name that a question may mean. */
export interface NameAlias {
  readonly name: string;
  /** The name in the question without the search domain behind it; undefined if none was taken away. */
  readonly stripped: string | undefined;
}

/** Search list of a pod in Kubernetes. */
export function podSearchDomains(namespace: string, domain: string): readonly string[] {
  return [`${namespace}.svc.${domain}`, `svc.${domain}`, domain];
}

/** The names that a question may mean, the most literal first (order: ztunnel, Istio 1.31). */
export function aliasesOf(name: string, rules: NameRules): readonly NameAlias[] {
  const aliases: NameAlias[] = [name, ...expansionsOf(name, rules)].map((full) => ({
    name: full,
    stripped: undefined,
  }));
  for (const domain of rules.searchDomains) {
    const suffix = `.${domain}`;
    if (!name.endsWith(suffix)) continue;
    const stripped = name.slice(0, -suffix.length);
    if (stripped === "") continue;
    for (const full of [stripped, ...expansionsOf(stripped, rules)]) aliases.push({ name: full, stripped });
  }
  return aliases;
}

/** The full names that a short name of a Kubernetes service may stand for. */
function expansionsOf(name: string, { namespace, domain }: NameRules): readonly string[] {
  const labels = name.split(".");
  const isService = labels.at(-1) === "svc";
  switch (labels.length) {
    case 1:
      return [`${name}.${namespace}.svc.${domain}`];
    case 2:
      return [`${name}.svc.${domain}`, `${name}.${namespace}.svc.${domain}`];
    case 3:
      return isService ? [`${name}.${domain}`, `${name}.svc.${domain}`] : [`${name}.svc.${domain}`];
    case 4:
      return isService ? [`${name}.${domain}`] : [];
    default:
      return [];
  }
}

/** A name, then the wildcards that cover it from the narrowest: `a.b.c`, `*.b.c`, `*.c`. */
export function* wildcardsOf(name: string): Iterable<string> {
  yield name;
  for (let at = name.indexOf("."); at >= 0; at = name.indexOf(".", at + 1)) yield `*${name.slice(at)}`;
}
