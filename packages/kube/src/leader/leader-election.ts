// SPDX-License-Identifier: Apache-2.0
import type { Lease } from "@ambientmesh/api/kubernetes";
import {
  TaskGroup,
  isMeshError,
  messageOf,
  silentLogger,
  systemClock,
  type Clock,
  type Logger,
} from "@ambientmesh/core";
import type { KubeClient } from "../client/kube-client.ts";
import { kubeErrors } from "../errors.ts";
import { RESOURCES } from "../resource.ts";

/** Which Lease is fought for, and how. */
export interface LeaderElectionOptions {
  readonly namespace: string;
  readonly name: string;
  /** Unique among the candidates: the pod's name. */
  readonly identity: string;
  /** How long others wait for a leader that is silent, in ms. Default 30,000, as Istio. */
  readonly leaseMs?: number;
  /** How long the leader itself goes on without a renewal, in ms. Default half of `leaseMs`. */
  readonly renewMs?: number;
  /** Between tries, in ms. Default a quarter of `leaseMs`. */
  readonly retryMs?: number;
}

/** What an election needs. */
export interface LeaderElectionDeps {
  readonly client: KubeClient;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly logger?: Logger;
}

/** What is done while leading. `signal` aborts when leadership is lost or given up; the promise should settle soon then. */
export type LeaderTask = (signal: AbortSignal) => Promise<void>;

/** A Lease as this candidate last saw it, and when by its own clock: clocks of others are not trusted. */
interface Observation {
  readonly resourceVersion: string | undefined;
  readonly atMs: number;
}

/**
 * Takes part in an election until disposed; runs `lead` whenever this candidate is the leader. There is no moment with two
 * leaders as long as nobody's clock runs faster than twice another's: a leader stops at `renewMs` after its last renewal
 * began, others take over no sooner than `leaseMs` after they saw it. Disposing gives the Lease up at once.
 */
export function electLeader(
  options: LeaderElectionOptions,
  deps: LeaderElectionDeps,
  lead: LeaderTask,
): AsyncDisposable & { readonly isLeader: boolean } {
  return new Election(options, deps, lead);
}

class Election implements AsyncDisposable {
  readonly #options: Required<LeaderElectionOptions>;
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lead: LeaderTask;
  readonly #tasks: TaskGroup;
  #observed: Observation = { resourceVersion: undefined, atMs: Number.NEGATIVE_INFINITY };
  #held: Lease | undefined;
  #leading: AbortSignal | undefined;

  constructor(
    options: LeaderElectionOptions,
    { client, clock = systemClock, logger = silentLogger }: LeaderElectionDeps,
    lead: LeaderTask,
  ) {
    const { leaseMs = 30_000 } = options;
    this.#options = { leaseMs, renewMs: leaseMs / 2, retryMs: leaseMs / 4, ...options };
    this.#client = client;
    this.#clock = clock;
    this.#logger = logger.child("kube.leader", { lease: `${options.namespace}/${options.name}` });
    this.#lead = lead;
    this.#tasks = new TaskGroup({
      onCrash: (task, error) => this.#logger.error("the election failed", { task, error }),
    });
    this.#tasks.run("election", (signal) => this.#run(signal));
  }

  get isLeader(): boolean {
    return this.#leading?.aborted === false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]();
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const beganMs = this.#clock.monotonicMs();
      if (await this.#try(signal)) await this.#reign(beganMs, signal);
      await this.#wait(signal);
    }
  }

  /** Leads until the Lease could not be renewed in time, then waits for the task to settle. */
  async #reign(beganMs: number, signal: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const leading = AbortSignal.any([signal, lost.signal]);
    this.#leading = leading;
    this.#logger.info("leading", { identity: this.#options.identity });
    const task = this.#lead(leading).catch((error: unknown) => {
      if (!leading.aborted)
        this.#logger.error("the leader's task failed, giving up the lease", { error: messageOf(error) });
    });
    const ended = task.then(() => lost.abort());
    let renewedMs = beganMs;
    while (!leading.aborted) {
      await this.#wait(leading);
      const triedMs = this.#clock.monotonicMs();
      if (!leading.aborted && (await this.#renew(leading, renewedMs))) renewedMs = triedMs;
      else if (this.#held === undefined || this.#clock.monotonicMs() - renewedMs >= this.#options.renewMs) lost.abort();
    }
    await ended;
    this.#logger.info("no longer leading", { identity: this.#options.identity });
    await this.#release();
  }

  /** One try, bounded by what is left until the leader has to stop. */
  async #renew(signal: AbortSignal, renewedMs: number): Promise<boolean> {
    const deadline = new AbortController();
    const leftMs = renewedMs + this.#options.renewMs - this.#clock.monotonicMs();
    using _timer = this.#clock.setTimer(leftMs, () => deadline.abort());
    return this.#try(AbortSignal.any([signal, deadline.signal]));
  }

  /** Takes or renews the Lease; false if it is somebody else's or the API server does not answer. */
  async #try(signal: AbortSignal): Promise<boolean> {
    const { namespace, name, identity, leaseMs } = this.#options;
    try {
      const lease = await this.#client.find(RESOURCES.Lease, { namespace, name }, { signal });
      if (lease === undefined) {
        this.#held = await this.#client.create(RESOURCES.Lease, this.#leaseOf(undefined), { signal });
        return true;
      }
      this.#observe(lease);
      const holder = lease.spec?.holderIdentity ?? "";
      const isFree = holder === "" || holder === identity || this.#clock.monotonicMs() - this.#observed.atMs >= leaseMs;
      if (!isFree) {
        this.#held = undefined;
        return false;
      }
      this.#held = await this.#client.replace(RESOURCES.Lease, this.#leaseOf(lease), { signal });
      return true;
    } catch (error) {
      this.#onFailure(error, signal);
      return false;
    }
  }

  #onFailure(error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    // Another candidate was faster: whether it leads now, the next look tells.
    if (kubeErrors.is(error, "KUBE_CONFLICT") || kubeErrors.is(error, "KUBE_ALREADY_EXISTS")) return;
    this.#logger.warn("the lease can't be read or written, trying again", { error: messageOf(error) });
  }

  #observe({ metadata }: Lease): void {
    if (metadata.resourceVersion === this.#observed.resourceVersion) return;
    this.#observed = { resourceVersion: metadata.resourceVersion, atMs: this.#clock.monotonicMs() };
  }

  #leaseOf(before: Lease | undefined): Lease {
    const { namespace, name, identity, leaseMs } = this.#options;
    const now = microTime(this.#clock.now());
    const isSameHolder = before?.spec?.holderIdentity === identity;
    const transitions = before?.spec?.leaseTransitions ?? 0;
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: before?.metadata ?? { name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.max(1, Math.ceil(leaseMs / 1000)),
        acquireTime: isSameHolder ? (before.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: before === undefined || isSameHolder ? transitions : transitions + 1,
      },
    };
  }

  /** Lets others take over without waiting. What fails here heals by time. */
  async #release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    const { holderIdentity: _holder, ...spec } = held.spec ?? {};
    try {
      await this.#client.replace(RESOURCES.Lease, { ...held, spec: { ...spec, leaseDurationSeconds: 1 } });
    } catch (error) {
      this.#logger.info("the lease could not be given up, it runs out by itself", { error: messageOf(error) });
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(this.#options.retryMs, signal);
    } catch (error) {
      // The loops see the signal themselves.
      if (!isMeshError(error, "ABORTED")) throw error;
    }
  }
}

/** meta/v1 MicroTime. */
function microTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace("Z", "000Z");
}
