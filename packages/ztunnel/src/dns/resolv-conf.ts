// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import type { Clock, Logger } from "@ambientmesh/core";
import { canonicalIp, type SocketAddress } from "../net/address.ts";

/** The part of resolv.conf(5) that matters for passing questions on. */
export interface ResolvConf {
  readonly nameServers: readonly SocketAddress[];
  readonly searchDomains: readonly string[];
}

export const RESOLV_CONF_PATH = "/etc/resolv.conf";
const DNS_PORT = 53;
/** As many as the resolvers of the common C libraries look at. */
const MAX_NAME_SERVERS = 3;
const MAX_SEARCH_DOMAINS = 32;
const KEPT_MS = 5000;

/** Reads the text of such a file; what is not understood is left out, as resolvers do. */
export function parseResolvConf(text: string): ResolvConf {
  const nameServers: SocketAddress[] = [];
  let searchDomains: readonly string[] = [];
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    const [first = ""] = values;
    if (keyword === "nameserver") {
      // Which interface a zone means depends on the namespace.
      const ip = first.includes("%") ? undefined : canonicalIp(first);
      if (ip !== undefined && nameServers.length < MAX_NAME_SERVERS) nameServers.push({ ip, port: DNS_PORT });
    } else if (keyword === "search" || keyword === "domain") {
      searchDomains = values.slice(0, MAX_SEARCH_DOMAINS).map((domain) => domain.toLowerCase().replace(/\.$/, ""));
    }
  }
  return { nameServers, searchDomains: searchDomains.filter((domain) => domain !== "") };
}

/** Name servers, those that answer first. */
export interface NameServerList {
  current(): Promise<ResolvConf>;
  /** This one did not answer: for a while it comes after the others. */
  silent(server: SocketAddress): void;
}

/** How long a name server that did not answer is asked last. */
const SHUNNED_MS = 30_000;

/** The name servers of this proxy's own namespace. The file is read again after a while, since it may change. */
export class NameServers implements NameServerList {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #path: string;
  /** Until when each is asked last, by address; bounded by what the file may hold. */
  readonly #shunned = new Map<string, number>();
  #last: { readonly readAtMs: number; readonly conf: Promise<ResolvConf> } | undefined;

  constructor(deps: { readonly clock: Clock; readonly logger: Logger }, options: { readonly path?: string } = {}) {
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#path = options.path ?? RESOLV_CONF_PATH;
  }

  /** What the file says now. A file that can't be read leaves things as they were, or without name servers. */
  async current(): Promise<ResolvConf> {
    const conf = await this.#known();
    const nowMs = this.#clock.monotonicMs();
    for (const [ip, untilMs] of this.#shunned) if (untilMs <= nowMs) this.#shunned.delete(ip);
    if (this.#shunned.size === 0) return conf;
    const rank = ({ ip }: SocketAddress): number => this.#shunned.get(ip) ?? 0;
    return { ...conf, nameServers: conf.nameServers.toSorted((a, b) => rank(a) - rank(b)) };
  }

  silent({ ip }: SocketAddress): void {
    this.#shunned.set(ip, this.#clock.monotonicMs() + SHUNNED_MS);
  }

  #known(): Promise<ResolvConf> {
    const nowMs = this.#clock.monotonicMs();
    if (this.#last && nowMs - this.#last.readAtMs < KEPT_MS) return this.#last.conf;
    const before = this.#last?.conf;
    this.#last = { readAtMs: nowMs, conf: this.#read(before) };
    return this.#last.conf;
  }

  async #read(before: Promise<ResolvConf> | undefined): Promise<ResolvConf> {
    try {
      return parseResolvConf(await readFile(this.#path, "utf8"));
    } catch (error) {
      this.#logger.warn("the name servers can't be read", { path: this.#path, error });
      return (await before) ?? { nameServers: [], searchDomains: [] };
    }
  }
}
