// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";

/** How the plugin gets called by the container runtime. */
export interface ChainOptions {
  /**
   * "chained": added to the node's own configuration. "owned": a copy of that with the plugin, in a file of ours that
   * comes first and outlives a reboot. "standalone": a configuration of its own, for runtimes that call it by name (Multus).
   */
  readonly mode: "chained" | "owned" | "standalone";
  /** Name of the node's configuration; undefined: the first valid one. */
  readonly configName: string | undefined;
  readonly ownedName: string;
  /** The plugin's part of a network configuration. */
  readonly plugin: PluginEntry;
}

export interface PluginEntry {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Files of the configuration directory, by name. */
export type ConfigFiles = ReadonlyMap<string, string>;

/** What has to be written and removed; nothing if all is as it should be. */
export type ChainPlan =
  | { readonly kind: "plan"; readonly writes: ConfigFiles; readonly removals: readonly string[] }
  /** There is nothing to be chained into yet. */
  | { readonly kind: "wait"; readonly reason: string };

/** Named so that it sorts after all others, as Istio's. */
export const STANDALONE_NAME = "YYY-istio-cni.conf";
/** Name of a network that has none (Istio gives the same). */
const DEFAULT_NETWORK = "k8s-pod-network";
const DEFAULT_VERSION = "0.3.1";

type Fields = Readonly<Record<string, unknown>>;
interface NetworkList extends Fields {
  readonly plugins: readonly PluginEntry[];
}

/** Names that container runtimes read, in the order in which they do. */
export function isConfigName(name: string): boolean {
  return /^[^.].*\.(conf|conflist|json)$/.test(name);
}

/** What to do so that the runtime calls the plugin for every new pod. */
export function planChain(files: ConfigFiles, options: ChainOptions): ChainPlan {
  const { mode, ownedName, plugin } = options;
  if (mode === "standalone") {
    return changes(files, STANDALONE_NAME, { cniVersion: "1.0.0", name: "istio-cni", ...plugin });
  }
  const primary = findPrimary(files, options);
  if (!primary) {
    // After a reboot ours may be there before the node's own, and is good.
    if (mode === "owned" && isOurs(readList(ownedName, files.get(ownedName)), plugin)) return changes(files);
    const which = options.configName ?? "any valid one";
    return { kind: "wait", reason: `there is no network configuration of the node yet (${which})` };
  }
  if (mode === "owned") return changes(files, ownedName, withPlugin(primary.list, plugin));
  if (isOurs(primary.list, plugin) && !primary.isSingle) return changes(files);
  const name = primary.isSingle ? primary.name.replace(/\.(conf|json)$/, ".conflist") : primary.name;
  const plan = changes(files, name, withPlugin(primary.list, plugin));
  return primary.isSingle ? { ...plan, removals: [primary.name] } : plan;
}

/** What to do so that the runtime does not call the plugin any more. */
export function planUnchain(files: ConfigFiles, { ownedName, plugin }: ChainOptions): ChainPlan & { kind: "plan" } {
  const writes = new Map<string, string>();
  const removals = [...files.keys()].filter((name) => name === ownedName || name === STANDALONE_NAME);
  for (const [name, text] of files) {
    const list = removals.includes(name) ? undefined : readList(name, text);
    if (list && list.plugins.some(({ type }) => type === plugin.type)) {
      writes.set(name, render({ ...list, plugins: withoutPlugin(list, plugin.type) }));
    }
  }
  return { kind: "plan", writes, removals };
}

interface Primary {
  readonly name: string;
  /** A list, or the list that a single configuration stands for. */
  readonly list: NetworkList;
  readonly isSingle: boolean;
}

function findPrimary(files: ConfigFiles, { configName, ownedName }: ChainOptions): Primary | undefined {
  const names = configName === undefined ? [...files.keys()].filter(isConfigName).toSorted() : [configName];
  for (const name of names) {
    if (name === ownedName || name === STANDALONE_NAME) continue;
    const list = readList(name, files.get(name));
    if (list) return { name, list, isSingle: false };
    const single = readSingle(files.get(name));
    if (single) return { name, list: single, isSingle: true };
  }
  return undefined;
}

/** Undefined for what is no list of plugins. */
function readList(name: string, text: string | undefined): NetworkList | undefined {
  const fields = parse(text);
  const plugins = fields?.["plugins"];
  if (!fields || name.endsWith(".conf") || !Array.isArray(plugins) || plugins.length === 0) return undefined;
  return plugins.every(isEntry) ? { ...fields, plugins } : undefined;
}

function readSingle(text: string | undefined): NetworkList | undefined {
  const { name, cniVersion, ...plugin } = parse(text) ?? {};
  if (!isEntry(plugin)) return undefined;
  // The name is kept: address plugins keep their books by it.
  return { cniVersion: cniVersion ?? DEFAULT_VERSION, name: name ?? DEFAULT_NETWORK, plugins: [plugin] };
}

function parse(text: string | undefined): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text ?? "");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
  } catch {
    // Half written or no configuration: runtimes pass over it as well.
    return undefined;
  }
}

function isEntry(value: unknown): value is PluginEntry {
  const type = (value as { readonly type?: unknown } | null)?.type;
  return typeof type === "string" && type !== "";
}

function isOurs(list: NetworkList | undefined, plugin: PluginEntry): boolean {
  const present = list?.plugins.filter(({ type }) => type === plugin.type) ?? [];
  return present.length === 1 && isDeepStrictEqual(present[0], normal(plugin));
}

function withPlugin(list: NetworkList, plugin: PluginEntry): NetworkList {
  return { ...list, plugins: [...withoutPlugin(list, plugin.type), plugin] };
}

function withoutPlugin({ plugins }: NetworkList, type: string): readonly PluginEntry[] {
  return plugins.filter((entry) => entry.type !== type);
}

function changes(files: ConfigFiles, name?: string, wanted?: Fields): ChainPlan & { kind: "plan" } {
  const isThere = name === undefined || isDeepStrictEqual(parse(files.get(name)), normal(wanted));
  return { kind: "plan", writes: new Map(isThere || !wanted ? [] : [[name, render(wanted)]]), removals: [] };
}

/** As it reads when it was written: without fields that are undefined. */
function normal(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function render(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
