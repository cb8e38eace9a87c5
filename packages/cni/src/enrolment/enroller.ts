// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { messageOf, type Clock, type GaugeSeries, type Logger, type MeshError, type Metrics } from "@ambientmesh/core";
import { sameNetns, type Netns, type NetnsRef } from "@ambientmesh/linux";
import { cniErrors } from "../errors.ts";
import type { PodRules, Redirection } from "../redirection/redirection.ts";
import type { ZdsWorkload } from "../zds/zds-messages.ts";
import type { OfferOutcome, ZdsServer } from "../zds/zds-server.ts";
import type { WorkResult } from "./keyed-queue.ts";
import { checkListeners } from "./needed-listeners.ts";

/** A pod whose traffic is redirected. */
export interface EnrolledPod {
  readonly workload: ZdsWorkload;
  readonly netns: NetnsRef;
  readonly rules: PodRules;
  /** The node proxy has acknowledged it. */
  readonly isServed: boolean;
  readonly isLeaving: boolean;
}

/** What became of an enrolment. */
export type EnrolmentOutcome =
  /** Redirected, and served by the node proxy. */
  | { readonly kind: "enrolled" }
  /** Redirected; whether the proxy serves it will be known when one is connected. */
  | { readonly kind: "unconfirmed" }
  /** Not in the mesh, or not served: to be tried again. */
  | { readonly kind: "pending"; readonly error: MeshError };

export interface EnrollerDeps {
  readonly zds: Pick<ZdsServer, "add" | "expect" | "remove">;
  readonly redirection: Redirection;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Other pods are in the mesh than before. */
  readonly onChanged?: () => void;
}

export interface EnrollerOptions {
  /** From the news that a pod leaves until new connections are left alone: time for others to hear of it. */
  readonly announceMs: number;
  /** From then until the proxy lets go: time for connections it carries to end by themselves. */
  readonly drainMs: number;
}

interface Entry {
  readonly workload: ZdsWorkload;
  readonly netns: Netns;
  rules: PodRules;
  /** The node proxy has acknowledged it. */
  isServed: boolean;
  leaving: { readonly stage: LeavingStage; readonly dueMs: number } | undefined;
}

/** "announced": all works on; "released": new connections are left alone; "closed": the proxy has let go. */
type LeavingStage = "announced" | "released" | "closed";

/** For the ends of the connections that the proxy closed to reach the app. */
const CLOSING_MS = 200;
const ENROLLED: EnrolmentOutcome = { kind: "enrolled" };

/**
 * Takes pods into the mesh and out of it, in steps whose order loses no connection.
 *
 * In: the proxy is told first, and listens in the pod by the time it acknowledges; only then is traffic redirected, in one
 * piece. A pod is either untouched or complete.
 *
 * Out: the caller has others told first, and everything works on meanwhile (announceMs). Then new connections are left
 * alone, and those that the proxy carries have time to end (drainMs) until it lets go of the pod, which cuts the rest.
 * Address translation stays a little longer, so that their ends reach the app, and not a byte of them the network.
 *
 * Calls for one pod must not overlap.
 */
export class Enroller implements Disposable {
  readonly #deps: EnrollerDeps;
  readonly #options: EnrollerOptions;
  readonly #pods = new Map<string, Entry>();
  readonly #count: GaugeSeries;

  constructor(deps: EnrollerDeps, options: EnrollerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#count = deps.metrics
      .gauge({ name: "nodeagent_enrolled_pods", help: "Pods of this node whose traffic is redirected." })
      .with({});
    this.#count.set(0);
  }

  get(uid: string): EnrolledPod | undefined {
    const entry = this.#pods.get(uid);
    return entry && { ...entry, isLeaving: entry.leaving !== undefined };
  }

  /** All pods that are redirected. */
  get uids(): readonly string[] {
    return [...this.#pods.keys()];
  }

  /** The pod that is served in a namespace. */
  ownerOf(netns: NetnsRef): string | undefined {
    for (const [uid, entry] of this.#pods) if (sameNetns(entry.netns, netns)) return uid;
    return undefined;
  }

  /** Takes up a pod that an agent of before enrolled. The namespace belongs to the enroller from now on. */
  adopt(workload: ZdsWorkload, netns: Netns, rules: PodRules): void {
    this.#deps.zds.expect({ workload, netns });
    this.#set({ workload, netns, rules, isServed: false, leaving: undefined });
  }

  /**
   * Takes a pod into the mesh, or its new sandbox in place of the old one. The namespace belongs to the enroller from now
   * on, whatever comes of it.
   * @throws MeshError LINUX_* when rules can't be applied, CNI_LISTENERS_MISSING; the pod is untouched then
   */
  async enrol(workload: ZdsWorkload, netns: Netns, rules: PodRules): Promise<EnrolmentOutcome> {
    const { zds, redirection, logger } = this.#deps;
    const { uid } = workload;
    await using undo = new AsyncDisposableStack();
    undo.use(netns);
    const present = this.#pods.get(uid);
    if (present && sameNetns(present.netns, netns)) return await this.#maintain(present, rules);
    await this.forget(uid);
    undo.defer(() => zds.remove(uid));
    const offer = await zds.add(workload, netns);
    if (offer.kind !== "acked") return { kind: "pending", error: offerError(workload, offer) };
    checkListeners(workload, netns, rules);
    undo.defer(() => this.#clear(netns));
    await redirection.apply(netns, rules);
    undo.move();
    this.#set({ workload, netns, rules, isServed: true, leaving: undefined });
    logger.info("a pod joined the mesh", { ...workload, netns: netns.id });
    return ENROLLED;
  }

  /**
   * Makes sure that a pod of the mesh stays in it, with these rules.
   * @returns undefined if it is not in the mesh
   * @throws MeshError LINUX_* when rules can't be applied, CNI_LISTENERS_MISSING; the old ones are in force then
   */
  async maintain(uid: string, rules: PodRules): Promise<EnrolmentOutcome | undefined> {
    const entry = this.#pods.get(uid);
    return entry && this.#maintain(entry, rules);
  }

  /** Has the proxy begin anew with a pod that it serves only by its own account. False if it did not. */
  async reoffer(uid: string): Promise<boolean> {
    const entry = this.#pods.get(uid);
    if (!entry) return false;
    entry.isServed = false;
    await this.#deps.zds.remove(uid);
    entry.isServed = (await this.#deps.zds.add(entry.workload, entry.netns)).kind === "acked";
    return entry.isServed;
  }

  /** Puts the rules of a pod in place again. @throws MeshError LINUX_*, CNI_LISTENERS_MISSING */
  async reapply(uid: string): Promise<void> {
    const entry = this.#pods.get(uid);
    if (!entry) return;
    checkListeners(entry.workload, entry.netns, entry.rules);
    await this.#deps.redirection.apply(entry.netns, entry.rules);
  }

  /** The proxy does not serve the pod after all; {@link maintain} offers it again. */
  onRefused(uid: string): void {
    const entry = this.#pods.get(uid);
    if (entry) entry.isServed = false;
  }

  /** Goes on with taking a pod out of the mesh, as far as it is time to; to be called until it is done. @throws MeshError LINUX_* */
  async leave(uid: string): Promise<WorkResult> {
    const entry = this.#pods.get(uid);
    if (!entry) return { kind: "done" };
    const { clock, zds, redirection, logger } = this.#deps;
    const enter = (stage: LeavingStage, afterMs: number): WorkResult => {
      entry.leaving = { stage, dueMs: clock.monotonicMs() + afterMs };
      return { kind: "again", afterMs };
    };
    if (!entry.leaving) return enter("announced", this.#options.announceMs);
    const { stage, dueMs } = entry.leaving;
    const restMs = dueMs - clock.monotonicMs();
    if (restMs > 0) return { kind: "again", afterMs: restMs };
    if (stage === "announced") {
      await redirection.release(entry.netns);
      return enter("released", this.#options.drainMs);
    }
    if (stage === "released") {
      entry.isServed = false;
      await zds.remove(uid);
      return enter("closed", CLOSING_MS);
    }
    await redirection.remove(entry.netns);
    this.#delete(uid, entry);
    logger.info("a pod left the mesh", { ...entry.workload });
    return { kind: "done" };
  }

  /** The pod, or this sandbox of it, is gone: nothing in there matters any more. */
  async forget(uid: string): Promise<void> {
    await this.#deps.zds.remove(uid);
    const entry = this.#pods.get(uid);
    if (!entry) return;
    this.#delete(uid, entry);
    this.#deps.logger.info("a pod of the mesh is gone", { ...entry.workload });
  }

  /** Lets go of all namespaces. Everything in them goes on as it is. */
  [Symbol.dispose](): void {
    for (const [uid, entry] of this.#pods) this.#delete(uid, entry);
  }

  async #maintain(entry: Entry, rules: PodRules): Promise<EnrolmentOutcome> {
    const { workload, netns } = entry;
    const wasReleased = entry.leaving !== undefined && entry.leaving.stage !== "announced";
    if (!entry.isServed || wasReleased) {
      const offer = await this.#deps.zds.add(workload, netns);
      entry.isServed = offer.kind === "acked";
      if (offer.kind === "refused" || (wasReleased && !entry.isServed)) {
        return { kind: "pending", error: offerError(workload, offer) };
      }
    }
    if (wasReleased || !isDeepStrictEqual(entry.rules, rules)) {
      if (entry.isServed) checkListeners(workload, netns, rules);
      await this.#deps.redirection.apply(netns, rules);
      entry.rules = rules;
    }
    entry.leaving = undefined;
    return entry.isServed ? ENROLLED : { kind: "unconfirmed" };
  }

  #set(entry: Entry): void {
    this.#pods.set(entry.workload.uid, entry);
    this.#count.set(this.#pods.size);
    this.#deps.onChanged?.();
  }

  #delete(uid: string, { netns }: Entry): void {
    this.#pods.delete(uid);
    this.#count.set(this.#pods.size);
    netns[Symbol.dispose]();
    this.#deps.onChanged?.();
  }

  /** After rules could not be applied. What is wrong there is reported by whoever wanted them. */
  async #clear(netns: NetnsRef): Promise<void> {
    try {
      await this.#deps.redirection.remove(netns);
    } catch (error) {
      this.#deps.logger.warn("rules can't be removed again", { netns: netns.id, error: messageOf(error) });
    }
  }
}

function offerError({ uid, namespace, name }: ZdsWorkload, offer: OfferOutcome): MeshError {
  const pod = `pod ${namespace}/${name}`;
  const details = { uid };
  if (offer.kind === "refused") {
    const text = `the node proxy can't take over ${pod}: ${offer.reason}`;
    return cniErrors.create("CNI_ZTUNNEL_REFUSED", text, { details, retryable: true });
  }
  const why = offer.kind === "not-connected" ? "no node proxy is connected" : "the node proxy did not answer";
  return cniErrors.create("CNI_ZTUNNEL_UNAVAILABLE", `${pod} can't join the mesh yet: ${why}`, {
    details,
    retryable: true,
  });
}
