// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import type { ServiceEntry } from "@ambientmesh/api/istio";
import { addressBytes, addressRange, addressText, type AddressRange } from "../model/ip-address.ts";
import { byAge, canHaveGivenAddress } from "../model/service-entry.ts";

/** An address that a host of a ServiceEntry has got. */
export interface GivenAddress {
  readonly value: string;
  readonly host: string;
}

/** The ranges that addresses are taken from. */
export interface PoolRanges {
  readonly ipv4: string;
  readonly ipv6: string;
}

interface Holder {
  readonly entry: ServiceEntry;
  readonly key: string;
}

/**
 * Who holds which address. It follows the entries that it is told of, and says what an entry should hold: for each
 * eligible host one address of each family. Addresses that users wrote come first, then older entries; an address that
 * was given up is not given again before the range is used up.
 */
export class AddressPool {
  readonly #families: readonly Family[];
  readonly #entries = new Map<string, ServiceEntry>();
  /** By address: entries that were given it. */
  readonly #given = new Map<string, Map<string, Holder>>();
  /** By address: how many entries name it in their spec. */
  readonly #users = new Map<string, number>();

  /** @throws RangeError for a range that is none; configuration is checked before. */
  constructor({ ipv4, ipv6 }: PoolRanges) {
    this.#families = [new Family(ipv4), new Family(ipv6)];
  }

  /** An entry is there, is another one, or is gone. Gives the keys of other entries that may have to change. */
  follow(key: string, entry: ServiceEntry | undefined): readonly string[] {
    const before = this.#entries.get(key);
    if (before) this.#count(key, before, -1);
    for (const family of this.#families) {
      for (const host of before?.spec.hosts ?? []) {
        if (!entry || givenTo(entry).some(({ value }) => family.has(value))) family.offers.delete(`${key} ${host}`);
      }
    }
    if (entry) this.#entries.set(key, entry);
    else this.#entries.delete(key);
    return entry ? this.#count(key, entry, 1).filter((other) => other !== key) : [];
  }

  /** What the entry should hold; undefined if it holds that already. */
  desired(key: string): readonly GivenAddress[] | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const present = givenTo(entry);
    const desired = eligibleHosts(entry).flatMap((host) =>
      this.#families.flatMap((family) => {
        const kept = present.find(
          (given) => given.host === host && family.has(given.value) && this.#isOurs(given, key),
        );
        const value = kept?.value ?? this.#offer(family, `${key} ${host}`);
        return value === undefined ? [] : [{ value, host }];
      }),
    );
    const isSame =
      desired.length === present.length &&
      desired.every(({ value, host }) => present.some((given) => given.value === value && given.host === host));
    return isSame ? undefined : desired;
  }

  /** The same again until it is taken, so that a failed write does not use it up. */
  #offer(family: Family, to: string): string | undefined {
    const before = family.offers.get(to);
    if (before !== undefined && !this.#isTaken(before)) return before;
    const value = family.next((candidate) => this.#isTaken(candidate));
    if (value === undefined) family.offers.delete(to);
    else family.offers.set(to, value);
    return value;
  }

  #isOurs({ value }: GivenAddress, key: string): boolean {
    if (this.#users.has(value)) return false;
    const holders = [...(this.#given.get(value)?.values() ?? [])];
    const [oldest] = holders.map(({ entry, key: entryKey }) => ({ entry, entryKey, host: "" })).sort(byAge);
    return oldest?.entryKey === key;
  }

  #isTaken(value: string): boolean {
    return this.#users.has(value) || this.#given.has(value);
  }

  /** @returns keys of entries that hold one of the addresses. */
  #count(key: string, entry: ServiceEntry, by: 1 | -1): readonly string[] {
    const touched: string[] = [];
    for (const { value } of givenTo(entry)) {
      const holders = this.#given.get(value) ?? new Map<string, Holder>();
      if (by > 0) holders.set(key, { entry, key });
      else holders.delete(key);
      if (holders.size > 0) this.#given.set(value, holders);
      else this.#given.delete(value);
      touched.push(...holders.keys());
    }
    for (const value of entry.spec.addresses ?? []) {
      const count = (this.#users.get(value) ?? 0) + by;
      if (count > 0) this.#users.set(value, count);
      else this.#users.delete(value);
      touched.push(...(this.#given.get(value)?.keys() ?? []));
    }
    return touched;
  }
}

/** One range, walked through once from its beginning, then again. */
class Family {
  /** What was offered to whom ("entry host") and is not in the entry yet. */
  readonly offers = new Map<string, string>();
  readonly #range: AddressRange;
  readonly #length: number;
  readonly #size: bigint;
  #last = 0n;

  constructor(text: string) {
    const range = addressRange(text);
    if (!range) throw new RangeError(`${text} is no range of addresses`);
    this.#range = range;
    const bits = range.bytes.length * 8;
    this.#length = range.length ?? bits;
    this.#size = 1n << BigInt(bits - this.#length);
  }

  has(value: string): boolean {
    const bytes = addressBytes(value);
    if (bytes?.length !== this.#range.bytes.length) return false;
    const masked = addressRange(`${value}/${this.#length}`);
    return masked !== undefined && Buffer.compare(masked.bytes, this.#range.bytes) === 0;
  }

  /** Looks at no more than 100,000 addresses, so that a full range costs little. */
  next(isTaken: (value: string) => boolean): string | undefined {
    for (let tries = 0n; tries < 100_000n && tries < this.#size - 1n; tries++) {
      this.#last = this.#last + 1n >= this.#size ? 1n : this.#last + 1n;
      const value = this.#at(this.#last);
      if (!isTaken(value)) return value;
    }
    return undefined;
  }

  #at(offset: bigint): string {
    const { bytes } = this.#range;
    const base = BigInt(`0x${Buffer.from(bytes).toString("hex")}`) + offset;
    return addressText(Buffer.from(base.toString(16).padStart(bytes.length * 2, "0"), "hex"));
  }
}

function givenTo({ status }: ServiceEntry): readonly GivenAddress[] {
  return (status?.addresses ?? []).map(({ value, host = "" }) => ({ value, host }));
}

function eligibleHosts({ metadata, spec }: ServiceEntry): readonly string[] {
  if (metadata.labels?.[KEYS.ENABLE_AUTO_ALLOCATE_IP] === "false") return [];
  return [...new Set(spec.hosts)].filter((host) => canHaveGivenAddress(spec, host));
}
