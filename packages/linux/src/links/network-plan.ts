// SPDX-License-Identifier: Apache-2.0
import { randomInt } from "node:crypto";
import { isIPv6 } from "node:net";
import { linuxErrors } from "../errors.ts";
import type { NetnsRef } from "../netns/netns.ts";
import { familyOf } from "../sockets/address.ts";
import { ipBatch, type IpOptions } from "./ip.ts";

/** A network interface to be. */
export interface LinkSpec {
  readonly netns: NetnsRef;
  /** Up to 15 characters. */
  readonly name: string;
  /** With prefix length: "10.0.1.2/24", "fd00::2/64". IPv6 ones skip duplicate detection and are usable at once. */
  readonly addresses?: readonly string[];
  /** A bridge in the same namespace, planned before. */
  readonly bridge?: string;
  readonly mtu?: number;
}

/** A route to be. */
export interface RouteSpec {
  /** An address or a prefix; "default" with `via`, "0.0.0.0/0" or "::/0" without. */
  readonly to: string;
  /** Gateway address. */
  readonly via?: string;
  readonly device?: string;
  /** Source address of packets that choose none themselves. Default: the kernel's choice. */
  readonly source?: string;
  /** "local": packets to it are this namespace's own. Default "unicast". */
  readonly type?: "blackhole" | "local" | "unicast" | "unreachable";
  /** Default: the main table. */
  readonly table?: number;
}

/** A policy routing rule to be. */
export interface RuleSpec {
  readonly priority: number;
  /** Packets with this mark, under this mask. */
  readonly mark: number;
  readonly mask: number;
  readonly table: number;
  readonly version: 4 | 6;
}

const MAX_PARALLEL = 8;
const FIRST_INHERITED_FD = 3;
// Far above what the kernel gives out by itself, and wide enough that two of a namespace never meet.
const MIN_HIGH_INDEX = 2 ** 20;
const MAX_HIGH_INDEX = 2 ** 30;
const INTERFACE_NAME = /^(?!\.{1,2}$)[^\s/:]{1,15}$/;

/** Lines for ip(8), by the namespace they are for. */
type Lines = Map<NetnsRef, string[]>;

/**
 * Links, addresses, routes and rules of any number of namespaces, set up with few processes: one for all veth pairs,
 * then two per namespace. Within a namespace the order of the calls is kept, but all links come before all addresses:
 * an IPv6 address given to a link that is not up yet stays unreachable for a second after.
 */
export class NetworkPlan {
  readonly #pairs: string[] = [];
  readonly #links: Lines = new Map();
  readonly #addresses: Lines = new Map();
  // ip(8) takes the version of a rule from the command line only.
  readonly #rules: Readonly<Record<4 | 6, Lines>> = { 4: new Map(), 6: new Map() };
  readonly #inherited: NetnsRef[] = [];

  /** Brings `lo` up. */
  loopback(netns: NetnsRef): this {
    return this.#add(this.#links, netns, "link set dev lo up");
  }

  /** A bridge, up, that forwards at once. */
  bridge(link: LinkSpec): this {
    this.#add(this.#links, link.netns, `link add name ${interfaceName(link.name)} type bridge forward_delay 0`);
    return this.#configure(link);
  }

  /**
   * A pair of connected interfaces, both up, in the same or in two namespaces. The first gets a high interface index:
   * where the two happen to have equal ones, the kernel takes the news that they are up for unimportant, and is silent
   * about it for up to a second.
   */
  veth(a: LinkSpec, b: LinkSpec): this {
    const end = ({ netns, name }: LinkSpec): string => `name ${interfaceName(name)} netns ${this.#inherit(netns)}`;
    const index = randomInt(MIN_HIGH_INDEX, MAX_HIGH_INDEX);
    this.#pairs.push(`link add ${end(a)} index ${index} type veth peer ${end(b)}`);
    return this.#configure(a).#configure(b);
  }

  route(netns: NetnsRef, { to, via, device, source, type, table }: RouteSpec): this {
    const parts = ["route add"];
    if (type) parts.push(type);
    parts.push(to === "default" ? to : prefix(to));
    if (via !== undefined) parts.push(`via ${address(via)}`);
    if (device !== undefined) parts.push(`dev ${interfaceName(device)}`);
    if (source !== undefined) parts.push(`src ${address(source)}`);
    if (table !== undefined) parts.push(`table ${wholeNumber(table)}`);
    return this.#add(this.#addresses, netns, parts.join(" "));
  }

  rule(netns: NetnsRef, { priority, mark, mask, table, version }: RuleSpec): this {
    const match = `fwmark 0x${wholeNumber(mark).toString(16)}/0x${wholeNumber(mask).toString(16)}`;
    const line = `rule add pref ${wholeNumber(priority)} ${match} lookup ${wholeNumber(table)}`;
    return this.#add(this.#rules[version], netns, line);
  }

  /**
   * Makes it so. Not atomic: what was set up before a failure stays, and goes with the namespaces.
   * @throws MeshError as {@link ipBatch}
   */
  async apply(signal?: AbortSignal): Promise<void> {
    const common = signal ? { signal } : {};
    const [anywhere] = this.#inherited;
    if (anywhere) {
      const inheritedFds = this.#inherited.map(({ fd }) => fd);
      await ipBatch(this.#pairs, { netns: anywhere, inheritedFds, ...common });
    }
    await applyLines(this.#links, common);
    await applyLines(this.#addresses, common);
    for (const version of [4, 6] as const) await applyLines(this.#rules[version], { version, ...common });
  }

  #configure({ netns, name, addresses = [], bridge, mtu }: LinkSpec): this {
    if (bridge !== undefined) this.#add(this.#links, netns, `link set dev ${name} master ${interfaceName(bridge)}`);
    if (mtu !== undefined) this.#add(this.#links, netns, `link set dev ${name} mtu ${wholeNumber(mtu)}`);
    this.#add(this.#links, netns, `link set dev ${name} up`);
    for (const text of addresses) {
      const suffix = text.includes(":") ? " nodad" : "";
      this.#add(this.#addresses, netns, `address add ${prefix(text)} dev ${name}${suffix}`);
    }
    return this;
  }

  #add(lines: Lines, netns: NetnsRef, line: string): this {
    const present = lines.get(netns);
    if (present) present.push(line);
    else lines.set(netns, [line]);
    return this;
  }

  #inherit(netns: NetnsRef): string {
    if (!this.#inherited.includes(netns)) this.#inherited.push(netns);
    return `/proc/self/fd/${FIRST_INHERITED_FD + this.#inherited.indexOf(netns)}`;
  }
}

async function applyLines(lines: Lines, options: IpOptions): Promise<void> {
  const pending = lines.entries();
  const work = async (): Promise<void> => {
    for (const [netns, batch] of pending) await ipBatch(batch, { ...options, netns });
  };
  await Promise.all(Array.from({ length: MAX_PARALLEL }, work));
}

/** @throws MeshError LINUX_ARGUMENT_INVALID */
function interfaceName(name: string): string {
  if (INTERFACE_NAME.test(name)) return name;
  throw linuxErrors.create(
    "LINUX_ARGUMENT_INVALID",
    `"${name}" is no interface name; 1 to 15 characters without blanks, "/" and ":" are`,
  );
}

/** @throws MeshError LINUX_ADDRESS_INVALID */
function address(text: string): string {
  familyOf(text);
  return text;
}

/** An address, with or without a prefix length. */
function prefix(text: string): string {
  const [host = "", length, ...rest] = text.split("/");
  const isLength = length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (isIPv6(host) ? 128 : 32));
  address(host);
  if (rest.length === 0 && isLength) return text;
  throw linuxErrors.create("LINUX_ADDRESS_INVALID", `"${text}" is no address with a prefix length`);
}

function wholeNumber(value: number): number {
  if (Number.isInteger(value) && value >= 0) return value;
  throw linuxErrors.create("LINUX_ARGUMENT_INVALID", `${value} is no whole number from 0`);
}
