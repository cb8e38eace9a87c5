// SPDX-License-Identifier: Apache-2.0
import type { DiscoveryRequest } from "@ambientmesh/api/discovery";
import type { EncodedResource } from "../cache/resource.ts";
import type { LogEntry } from "../cache/resource-log.ts";
import type { ResourceView } from "../cache/source.ts";
import { encodeSotw, sotwResourceSize, type ResponseHead } from "../protocol/encode.ts";
import { NonceTracker } from "./nonces.ts";
import type { SharedPlans } from "./shared-plans.ts";
import { IDLE, type Received, type Step, type TypeStatus, type TypeSubscription } from "./subscription.ts";

/** All resources of one state-of-the-world response. */
export class SotwPlan {
  readonly resources: readonly EncodedResource[];
  readonly size: number;
  #bytes: Uint8Array | undefined;

  constructor(resources: readonly EncodedResource[]) {
    this.resources = resources;
    this.size = resources.reduce((sum, resource) => sum + sotwResourceSize(resource), 0);
  }

  /** Encodes at the first call; later calls give the same bytes. */
  encode(head: ResponseHead): Uint8Array {
    this.#bytes ??= encodeSotw(head, this.resources);
    return this.#bytes;
  }
}

export interface SotwSubscriptionOptions {
  readonly view: ResourceView;
  readonly shared: SharedPlans<SotwPlan>;
  readonly onChanged: () => void;
}

const WILDCARD = "*";

/**
 * State-of-the-world protocol for one type of one client: every response holds everything the client asks for, and is
 * sent whole because a part of it would read as the removal of the rest.
 */
export class SotwSubscription implements TypeSubscription<DiscoveryRequest> {
  readonly #options: SotwSubscriptionOptions;
  readonly #view: ResourceView;
  readonly #nonces = new NonceTracker();
  #names: ReadonlySet<string> = new Set();
  /** Resources in the last response, for clients that ask by name. */
  #held: ReadonlySet<string> = new Set();
  #isFirst = true;
  #isWildcard = false;
  #mustAnswer = false;
  #cursor = 0;
  #serial = 0;

  constructor(options: SotwSubscriptionOptions) {
    this.#options = options;
    this.#view = options.view;
  }

  get cursor(): number {
    return this.#cursor;
  }

  get isWildcard(): boolean {
    return this.#isWildcard;
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  changed(): void {
    this.#options.onChanged();
  }

  receive(request: DiscoveryRequest, now: number): Received {
    const { errorDetail } = request;
    // On a new stream a nonce is one of an older stream and means nothing.
    const responseNonce = this.#isFirst ? "" : request.responseNonce;
    const verdict = responseNonce === "" ? undefined : this.#nonces.receive(responseNonce, errorDetail, now);
    // The client answers an older response and has not seen the newest; it will ask again when it has.
    if (responseNonce !== "" && !this.#nonces.isLatest(responseNonce)) return this.#received("stale", false);
    const hasChanged = this.#subscribe(new Set(request.resourceNames));
    return this.#received(verdict === "stale" ? undefined : verdict, hasChanged);
  }

  next(until: number): Step {
    if (!this.#mustAnswer && !this.#hasNews(until)) return IDLE;
    this.#mustAnswer = false;
    this.#cursor = this.#view.head;
    const plan = this.#isWildcard ? this.#everything() : new SotwPlan(this.#named());
    if (!this.#isWildcard) this.#held = new Set(plan.resources.map(({ name }) => name));
    return {
      kind: "response",
      size: plan.size,
      resources: plan.resources.length,
      removed: 0,
      send: () => this.#send(plan),
    };
  }

  status(): TypeStatus {
    return {
      typeUrl: this.#view.typeUrl,
      isWildcard: this.#isWildcard,
      names: this.#names.size,
      isCurrent: this.#cursor >= this.#view.head && !this.#mustAnswer,
      ...this.#nonces.status(),
    };
  }

  #received(verdict: Received["verdict"], hasChanged: boolean): Received {
    return { verdict, hasChanged, names: this.#names.size };
  }

  #subscribe(names: Set<string>): boolean {
    const before = this.#names;
    const wasWildcard = this.#isWildcard;
    // An empty list means everything in the first request, and for a client that never named anything.
    this.#isWildcard = names.delete(WILDCARD) || (names.size === 0 && (this.#isFirst || this.#isImplicit()));
    const hasMore = [...names].some((name) => !before.has(name)) || (this.#isWildcard && !wasWildcard);
    const hasChanged = this.#isFirst || hasMore || names.size !== before.size || this.#isWildcard !== wasWildcard;
    if (this.#isFirst || hasMore) this.#mustAnswer = true;
    this.#names = names;
    this.#isFirst = false;
    // What was given up concerns the client no more.
    if (hasChanged) this.#held = new Set(this.#isWildcard ? [] : this.#named().map(({ name }) => name));
    return hasChanged;
  }

  #isImplicit(): boolean {
    return this.#isWildcard && this.#names.size === 0;
  }

  #hasNews(until: number): boolean {
    for (const entry of this.#view.after(this.#cursor, until)) {
      if (this.#isRelevant(entry)) return true;
      this.#cursor = entry.seq;
    }
    this.#cursor = Math.max(this.#cursor, until);
    return false;
  }

  #isRelevant(entry: LogEntry): boolean {
    if (this.#isWildcard || this.#names.has(entry.name) || this.#held.has(entry.name)) return true;
    const { aliases = [], keys = [] } = entry.resource ?? {};
    return [...aliases, ...keys].some((name) => this.#names.has(name));
  }

  #everything(): SotwPlan {
    const make = (): SotwPlan => new SotwPlan([...this.#view.resources()]);
    return this.#options.shared.get(this.#view, `sotw/${this.#cursor}`, make);
  }

  #named(): EncodedResource[] {
    const found = new Map<string, EncodedResource>();
    for (const name of this.#names) for (const resource of this.#view.find(name)) found.set(resource.name, resource);
    return [...found.values()];
  }

  #send(plan: SotwPlan): Uint8Array {
    const version = `${this.#cursor}`;
    // A shared response must carry the same nonce to everybody, so only a repeated answer gets one of its own.
    const isRepeated = this.#nonces.lastSent?.split(".")[0] === version;
    const nonce = isRepeated || !this.#isWildcard ? `${version}.${++this.#serial}` : version;
    this.#nonces.sent(nonce);
    const head = { typeUrl: this.#view.typeUrl, version, nonce };
    return isRepeated ? encodeSotw(head, plan.resources) : plan.encode(head);
  }
}
