// SPDX-License-Identifier: Apache-2.0
import { messageOf, type CounterSeries, type GaugeSeries, type Logger, type Metrics } from "@ambientmesh/core";
import { sameNetns } from "@ambientmesh/linux";
import type { Readiness } from "@ambientmesh/telemetry";
import { ztunnelErrors } from "../errors.ts";
import type { LocalWorkloadName } from "../state/workload-store.ts";
import type { Pod, RunningPod, StartPod } from "./pod.ts";
import type { ZdsRequest } from "./zds-messages.ts";

export interface WorkloadManagerDeps {
  readonly startPod: StartPod;
  readonly readiness: Readiness;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Task that keeps the proxy from being ready, named as in ztunnel. */
export const MANAGER_TASK = "workload proxy manager";

/** A pod as dumps show it. */
export interface ManagedPod {
  readonly uid: string;
  readonly workload: LocalWorkloadName;
  /** Undefined: it could not be started (yet). */
  readonly running: RunningPod | undefined;
}

interface Active {
  readonly pod: Pod;
  readonly running: RunningPod;
}

/**
 * The pods of this node and their proxies, driven by what the CNI agent says (ZDS, Istio 1.31). What one pod does never
 * touches another: a proxy that can't be started is retried by itself.
 */
export class WorkloadManager {
  readonly #deps: WorkloadManagerDeps;
  readonly #active = new Map<string, Active>();
  readonly #pending = new Map<string, Pod>();
  /** Named since the agent connected; everything else ends with the snapshot. */
  readonly #named = new Set<string>();
  readonly #draining = new Set<Promise<void>>();
  readonly #counts: Readonly<Record<"active" | "pending", GaugeSeries>>;
  readonly #changes: Readonly<Record<"started" | "stopped", CounterSeries>>;
  #hasSnapshot = false;
  #notReady: Disposable | undefined;

  constructor(deps: WorkloadManagerDeps) {
    this.#deps = deps;
    const { metrics } = deps;
    const gauge = (name: string, help: string): GaugeSeries => metrics.gauge({ name, help }).with({});
    const counter = (name: string, help: string): CounterSeries => metrics.counter({ name, help }).with({});
    this.#counts = {
      active: gauge("workload_manager_active_proxy_count", "The number of pods that have a proxy now"),
      pending: gauge("workload_manager_pending_proxy_count", "The number of pods whose proxy could not be started"),
    };
    this.#changes = {
      started: counter("workload_manager_proxies_started_total", "Pods whose proxy was started"),
      stopped: counter("workload_manager_proxies_stopped_total", "Pods whose proxy was stopped"),
    };
    this.#refresh();
  }

  /** By uid; for dumps. */
  get pods(): readonly ManagedPod[] {
    const entry = ({ uid, workload }: Pod, running?: RunningPod): ManagedPod => ({ uid, workload, running });
    const active = [...this.#active.values()].map(({ pod, running }) => entry(pod, running));
    return [...active, ...[...this.#pending.values()].map((pod) => entry(pod))].toSorted((a, b) =>
      a.uid < b.uid ? -1 : 1,
    );
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** The agent is there: it will name every pod it knows. Proxies that run go on meanwhile. */
  connected(): void {
    this.#hasSnapshot = false;
    this.#named.clear();
    this.#dropPending();
    this.#refresh();
  }

  disconnected(): void {
    this.#hasSnapshot = false;
    this.#refresh();
  }

  /**
   * Carries out one request.
   * @throws MeshError ZTUNNEL_ZDS_PROTOCOL: the agent does what it must not; ZTUNNEL_POD_START: the pod is pending
   */
  async handle(request: ZdsRequest): Promise<void> {
    try {
      switch (request.kind) {
        case "add":
          await this.#add(request);
          return;
        case "keep":
          this.#keep(request.uid);
          return;
        case "delete":
          this.#delete(request.uid);
          return;
        case "snapshot-sent":
          this.#snapshotSent();
      }
    } finally {
      this.#refresh();
    }
  }

  /** Tries the pods again that could not be started. */
  async retryPending(): Promise<void> {
    for (const pod of this.#pending.values()) {
      try {
        await this.#start(pod);
      } catch (error) {
        this.#deps.logger.warn("the proxy of a pod still can't be started", { uid: pod.uid, error });
      }
    }
    this.#refresh();
  }

  /** Ends all pods: no new connections, those that live have `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#dropPending();
    for (const uid of this.#active.keys()) this.#stop(uid, graceMs);
    await Promise.all(this.#draining);
  }

  async #add({ uid, workload, netns }: Extract<ZdsRequest, { kind: "add" }>): Promise<void> {
    if (!this.#hasSnapshot) this.#named.add(uid);
    const active = this.#active.get(uid);
    if (active && sameNetns(active.pod.netns, netns)) {
      netns[Symbol.dispose]();
      return;
    }
    if (active) this.#stop(uid, 0);
    this.#forget(uid);
    const pod = { uid, workload, netns };
    this.#pending.set(uid, pod);
    await this.#start(pod);
  }

  #keep(uid: string): void {
    if (this.#hasSnapshot) throw protocolError(`keep of ${uid} came after the snapshot`);
    this.#named.add(uid);
  }

  #delete(uid: string): void {
    this.#named.delete(uid);
    this.#forget(uid);
    // Before the snapshot a running proxy waits for it: the agent may still name the pod again.
    if (this.#hasSnapshot) this.#stop(uid, 0);
  }

  #snapshotSent(): void {
    if (this.#hasSnapshot) throw protocolError("a second snapshot was announced");
    this.#hasSnapshot = true;
    const gone = [...this.#active.keys()].filter((uid) => !this.#named.has(uid));
    for (const uid of gone) this.#stop(uid, 0);
    this.#named.clear();
  }

  async #start(pod: Pod): Promise<void> {
    const { logger, startPod } = this.#deps;
    try {
      const running = await startPod(pod);
      this.#pending.delete(pod.uid);
      this.#active.set(pod.uid, { pod, running });
      this.#changes.started.add();
      logger.info("a pod joined", { uid: pod.uid, ...pod.workload, netns: pod.netns.id });
    } catch (error) {
      const { namespace, name } = pod.workload;
      throw ztunnelErrors.create(
        "ZTUNNEL_POD_START",
        `the proxy of pod ${namespace}/${name} can't be started: ${messageOf(error)}`,
        {
          cause: error,
          details: { uid: pod.uid },
          retryable: true,
        },
      );
    }
  }

  #stop(uid: string, graceMs: number): void {
    const active = this.#active.get(uid);
    if (!active) return;
    this.#active.delete(uid);
    this.#changes.stopped.add();
    this.#deps.logger.info("a pod left", { uid, ...active.pod.workload });
    const draining: Promise<void> = this.#drainOne(active, graceMs).finally(() => this.#draining.delete(draining));
    this.#draining.add(draining);
  }

  async #drainOne({ pod, running }: Active, graceMs: number): Promise<void> {
    try {
      await running.drain(graceMs);
    } catch (error) {
      this.#deps.logger.error("the proxy of a pod did not end in order", { uid: pod.uid, error });
    } finally {
      pod.netns[Symbol.dispose]();
    }
  }

  #forget(uid: string): void {
    this.#pending.get(uid)?.netns[Symbol.dispose]();
    this.#pending.delete(uid);
  }

  #dropPending(): void {
    for (const uid of this.#pending.keys()) this.#forget(uid);
  }

  #refresh(): void {
    this.#counts.active.set(this.#active.size);
    this.#counts.pending.set(this.#pending.size);
    if (this.#hasSnapshot && this.#pending.size === 0) {
      this.#notReady?.[Symbol.dispose]();
      this.#notReady = undefined;
    } else {
      this.#notReady ??= this.#deps.readiness.begin(MANAGER_TASK);
    }
  }
}

function protocolError(text: string): Error {
  return ztunnelErrors.create("ZTUNNEL_ZDS_PROTOCOL", `the CNI agent broke the protocol: ${text}`);
}
