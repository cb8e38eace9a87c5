// SPDX-License-Identifier: Apache-2.0
import type { DeltaDiscoveryRequest } from "@ambientmesh/api/discovery";
import type { EncodedResource } from "../cache/resource.ts";
import type { LogEntry } from "../cache/resource-log.ts";
import type { ResourceView } from "../cache/source.ts";
import { DeltaPlan, planWildcard } from "./delta-plan.ts";
import { NonceTracker } from "./nonces.ts";
import type { SharedPlans } from "./shared-plans.ts";
import { IDLE, YIELD, type Received, type Step, type TypeStatus, type TypeSubscription } from "./subscription.ts";

export interface DeltaSubscriptionOptions {
  readonly view: ResourceView;
  readonly shared: SharedPlans<DeltaPlan>;
  /** Responses are split at about this size. */
  readonly maxResponseBytes: number;
  /** Names every client that asks by name gets without asking. */
  readonly implicitNames: Iterable<string>;
  readonly onChanged: () => void;
}

// Entries looked at in one go when nothing of them is sent, so that a big reconnect does not hold up other clients.
const MAX_SCAN = 5000;
const WILDCARD = "*";

/**
 * Delta protocol for one type of one client.
 *
 * A wildcard client is a position in the view's log. A client that asks by name is that position, the names it asked
 * for and the names it was sent (a resource found through an alias stays in its subscription, as in istiod).
 */
export class DeltaSubscription implements TypeSubscription<DeltaDiscoveryRequest> {
  readonly #options: DeltaSubscriptionOptions;
  readonly #view: ResourceView;
  readonly #nonces = new NonceTracker();
  readonly #names = new Set<string>();
  readonly #implicit: ReadonlySet<string>;
  /** Names to look up and answer, whether or not they changed. */
  readonly #asked = new Set<string>();
  /** Resources found for them that are still to be sent. */
  readonly #due = new Set<string>();
  /** Resources that a client which asks by name has. */
  readonly #held = new Set<string>();
  #isFirst = true;
  #isWildcard = false;
  #wasReset = false;
  #mustAnswer = false;
  #cursor = 0;
  #knownSince = 0;
  #claims: Readonly<Record<string, string>> | undefined;
  #claimed: readonly string[] = [];
  #claimedAt = 0;
  #serial = 0;

  constructor(options: DeltaSubscriptionOptions) {
    this.#options = options;
    this.#view = options.view;
    this.#implicit = new Set(options.implicitNames);
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

  receive(request: DeltaDiscoveryRequest, now: number): Received {
    const { responseNonce, errorDetail, resourceNamesSubscribe, resourceNamesUnsubscribe } = request;
    // On a new stream a nonce is one of an older stream and means nothing.
    const hasNonce = responseNonce !== "" && !this.#isFirst;
    const verdict = hasNonce ? this.#nonces.receive(responseNonce, errorDetail, now) : undefined;
    const hasChanged = this.#isFirst || resourceNamesSubscribe.length > 0 || resourceNamesUnsubscribe.length > 0;
    // Names are differences, so they count even beside a stale nonce: dropping them would lose them for good.
    if (this.#isFirst) this.#begin(request);
    else if (hasChanged) this.#resubscribe(resourceNamesSubscribe, resourceNamesUnsubscribe);
    if (hasChanged) this.#mustAnswer = true;
    return { verdict, hasChanged, names: Math.max(this.#names.size, this.#asked.size) };
  }

  next(until: number): Step {
    return this.#canShare() ? this.#nextShared(until) : this.#nextOwn(until);
  }

  status(): TypeStatus {
    const hasRest = this.#asked.size > 0 || this.#due.size > 0 || this.#mustAnswer;
    return {
      typeUrl: this.#view.typeUrl,
      isWildcard: this.#isWildcard,
      names: this.#names.size,
      isCurrent: this.#cursor >= this.#view.head && !hasRest,
      ...this.#nonces.status(),
    };
  }

  #begin(request: DeltaDiscoveryRequest): void {
    this.#isFirst = false;
    const { resourceNamesSubscribe: subscribe, resourceNamesUnsubscribe: unsubscribe } = request;
    this.#isWildcard = subscribe.length === 0 || subscribe.includes(WILDCARD);
    for (const name of subscribe) if (name !== WILDCARD) this.#names.add(name);
    if (unsubscribe.includes(WILDCARD)) this.#isWildcard = false;
    this.#knownSince = this.#view.head;
    this.#claims = request.initialResourceVersions;
    this.#claimed = Object.keys(request.initialResourceVersions);
    if (!this.#isWildcard) {
      // Istio's way of resuming: what the client claims to have, it asks for.
      for (const name of this.#claimed) this.#names.add(name);
      this.#claimed = [];
      this.#cursor = this.#view.head;
    }
    for (const name of unsubscribe) this.#names.delete(name);
    for (const name of this.#names) this.#asked.add(name);
    if (!this.#isWildcard) for (const name of this.#implicit) this.#asked.add(name);
    if (this.#claimed.length === 0 && this.#isWildcard) this.#claims = undefined;
  }

  #resubscribe(subscribe: readonly string[], unsubscribe: readonly string[]): void {
    for (const name of subscribe) {
      if (name === WILDCARD) continue;
      this.#names.add(name);
      this.#asked.add(name);
    }
    const wasWildcard = this.#isWildcard;
    if (subscribe.includes(WILDCARD)) this.#isWildcard = true;
    if (unsubscribe.includes(WILDCARD)) this.#isWildcard = false;
    for (const name of unsubscribe) {
      this.#names.delete(name);
      // A wildcard client is told what becomes of a name it gave up: still there, or removed.
      if (this.#isWildcard && name !== WILDCARD) this.#asked.add(name);
      else this.#asked.delete(name);
    }
    if (!wasWildcard && this.#isWildcard) this.#enterWildcard();
    else if (wasWildcard && !this.#isWildcard) this.#leaveWildcard();
    else if (!this.#isWildcard && unsubscribe.length > 0) this.#forgetUnwanted();
  }

  #enterWildcard(): void {
    this.#held.clear();
    this.#due.clear();
    // What was removed before the old position, the client was told or never had.
    this.#knownSince = this.#cursor;
    this.#cursor = 0;
    // Positions repeat from here on, so they no longer make nonces.
    this.#wasReset = true;
  }

  #leaveWildcard(): void {
    this.#claims = undefined;
    this.#claimed = [];
    this.#cursor = this.#view.head;
    for (const name of [...this.#names, ...this.#implicit]) this.#asked.add(name);
  }

  #forgetUnwanted(): void {
    for (const names of [this.#held, this.#due]) {
      for (const name of names) {
        const resource = this.#view.get(name);
        if (resource && !this.#isAskedFor(resource)) names.delete(name);
      }
    }
  }

  #canShare(): boolean {
    const hasOwn = this.#wasReset || this.#asked.size > 0 || this.#due.size > 0 || this.#claims !== undefined;
    return this.#isWildcard && !hasOwn && !this.#mustAnswerAlone();
  }

  #mustAnswerAlone(): boolean {
    return this.#mustAnswer && this.#cursor >= this.#view.head;
  }

  #nextShared(until: number): Step {
    if (this.#cursor >= until) return IDLE;
    const knownSince = Math.max(this.#knownSince, this.#cursor);
    const range = { cursor: this.#cursor, until, knownSince };
    const plan = this.#options.shared.get(this.#view, `${this.#cursor}/${knownSince}/${until}`, () =>
      planWildcard(this.#view, range, this.#options.maxResponseBytes),
    );
    this.#cursor = plan.end;
    if (!plan.isEmpty) return this.#planned(plan, `${plan.end}`);
    return this.#mustAnswer ? this.#nextOwn(until) : IDLE;
  }

  #nextOwn(until: number): Step {
    const plan = new DeltaPlan(this.#options.maxResponseBytes, !this.#isWildcard);
    const progress = this.#addGone(plan) ?? this.#addAsked(plan) ?? this.#addDue(plan) ?? this.#addChanged(plan, until);
    if (progress === "scanned" && plan.isEmpty) return YIELD;
    if (plan.isEmpty && !this.#mustAnswer) return IDLE;
    plan.end = this.#cursor;
    return this.#planned(plan, `${plan.end}.${++this.#serial}`);
  }

  #planned(plan: DeltaPlan, nonce: string): Step {
    this.#mustAnswer = false;
    return {
      kind: "response",
      size: plan.size,
      resources: plan.resources.length,
      removed: plan.removed.length,
      send: () => {
        this.#nonces.sent(nonce);
        return plan.encode({ typeUrl: this.#view.typeUrl, version: `${plan.end}`, nonce });
      },
    };
  }

  /** Names the client claims to have that don't exist. */
  #addGone(plan: DeltaPlan): "full" | "scanned" | undefined {
    const stop = Math.min(this.#claimedAt + MAX_SCAN, this.#claimed.length);
    for (; this.#claimedAt < stop; this.#claimedAt++) {
      const name = this.#claimed[this.#claimedAt] as string;
      if (!this.#view.get(name) && !plan.remove(name)) return "full";
    }
    if (this.#claimedAt < this.#claimed.length) return "scanned";
    this.#claimed = [];
    this.#claimedAt = 0;
    return undefined;
  }

  #addAsked(plan: DeltaPlan): "full" | undefined {
    for (const name of this.#asked) {
      const found = this.#view.find(name);
      if (found.length === 0 && !this.#implicit.has(name) && !plan.remove(name)) return "full";
      if (found.length === 0) this.#held.delete(name);
      for (const resource of found) if (!this.#isClaimed(resource)) this.#due.add(resource.name);
      this.#asked.delete(name);
    }
    if (!this.#isWildcard) this.#claims = undefined;
    return undefined;
  }

  #addDue(plan: DeltaPlan): "full" | undefined {
    for (const name of this.#due) {
      const resource = this.#view.get(name);
      // Removed since it was found: the client may have an older one from before it came back.
      if (!(resource ? this.#addHeld(plan, resource) : plan.remove(name))) return "full";
      this.#due.delete(name);
    }
    return undefined;
  }

  #addHeld(plan: DeltaPlan, resource: EncodedResource): boolean {
    if (!plan.add(resource)) return false;
    if (!this.#isWildcard) this.#held.add(resource.name);
    return true;
  }

  #isClaimed(resource: EncodedResource): boolean {
    if (this.#claims?.[resource.name] !== resource.version) return false;
    if (!this.#isWildcard) this.#held.add(resource.name);
    return true;
  }

  #addChanged(plan: DeltaPlan, until: number): "full" | "scanned" | undefined {
    let scanned = 0;
    for (const entry of this.#view.after(this.#cursor, until)) {
      if (!this.#addEntry(plan, entry)) return "full";
      this.#cursor = entry.seq;
      if (++scanned === MAX_SCAN) return "scanned";
    }
    this.#cursor = Math.max(this.#cursor, until);
    if (this.#cursor >= this.#knownSince) this.#claims = undefined;
    return undefined;
  }

  #addEntry(plan: DeltaPlan, entry: LogEntry): boolean {
    const { resource, name, seq } = entry;
    if (this.#isWildcard) {
      if (!resource) return seq <= this.#knownSince || plan.remove(name);
      return (seq <= this.#knownSince && this.#isClaimed(resource)) || plan.add(resource);
    }
    if (resource) return !this.#isWanted(resource) || this.#addHeld(plan, resource);
    if (!this.#held.has(name)) return true;
    if (!plan.remove(name)) return false;
    this.#held.delete(name);
    return true;
  }

  #isWanted(resource: EncodedResource): boolean {
    return this.#held.has(resource.name) || this.#isAskedFor(resource);
  }

  #isAskedFor(resource: EncodedResource): boolean {
    const asks = (name: string): boolean => this.#names.has(name) || this.#implicit.has(name);
    return asks(resource.name) || resource.aliases.some(asks) || resource.keys.some(asks);
  }
}
