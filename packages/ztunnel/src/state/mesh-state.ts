// SPDX-License-Identifier: Apache-2.0
import type { Change, Clock } from "@ambientmesh/core";
import { Listeners } from "./listeners.ts";
import type { NetworkAddress, Service, ServiceEntry, Workload } from "./model.ts";
import { PolicyStore, type PolicyResource } from "./policy-store.ts";
import { ServiceStore } from "./service-store.ts";
import { WorkloadStore, type LocalWorkloadName } from "./workload-store.ts";

/** One resource of the Address type. */
export type AddressResource =
  | { readonly kind: "workload"; readonly workload: Workload }
  | { readonly kind: "service"; readonly service: Service };

/** What is found at an address. */
export type Found =
  | { readonly kind: "workload"; readonly workload: Workload }
  | { readonly kind: "service"; readonly entry: ServiceEntry };

export interface MeshStateOptions {
  /** Name of this node; undefined: every workload counts as local. */
  readonly localNode: string | undefined;
}

/**
 * All that the control plane has told this proxy. Written by the xDS client only, read by decisions; each batch is
 * applied as a whole before anyone is told.
 */
export class MeshState {
  readonly workloads: WorkloadStore;
  readonly services: ServiceStore;
  readonly policies: PolicyStore;
  readonly #clock: Clock;
  readonly #workloadListeners = new Listeners<readonly Change<Workload>[]>();
  readonly #policyListeners = new Listeners<void>();

  constructor(deps: { readonly clock: Clock }, options: MeshStateOptions) {
    this.#clock = deps.clock;
    this.workloads = new WorkloadStore(options.localNode);
    this.services = new ServiceStore();
    this.policies = new PolicyStore();
  }

  /** Called with the workloads that a batch changed, after the whole batch was applied. */
  onWorkloads(listener: (changes: readonly Change<Workload>[]) => void): Disposable {
    return this.#workloadListeners.add(listener);
  }

  /** Called after a batch of policies was applied. */
  onPolicies(listener: () => void): Disposable {
    return this.#policyListeners.add(listener);
  }

  /** Applies a batch of addresses; `removed` holds resource names (a workload's uid or `namespace/hostname`). */
  applyAddresses(updated: Iterable<AddressResource>, removed: Iterable<string>): void {
    const changes: Change<Workload>[] = [];
    for (const name of removed) {
      const change = this.#removeWorkload(name);
      if (change) changes.push(change);
      else this.services.delete(name);
    }
    for (const resource of updated) {
      if (resource.kind === "service") this.services.set(resource.service);
      else changes.push(this.#setWorkload(resource.workload));
    }
    if (changes.length > 0) this.#workloadListeners.emit(changes);
  }

  /** Applies a batch of policies; `removed` holds their names. */
  applyPolicies(updated: Iterable<PolicyResource>, removed: Iterable<string>): void {
    this.policies.apply(updated, removed);
    this.#policyListeners.emit();
  }

  /**
   * What an address stands for. A service comes before a workload, so that its waypoint can't be walked around where an
   * address is both.
   */
  find(address: NetworkAddress, clientNamespace?: string): Found | undefined {
    const entry = this.services.byAddress(address, clientNamespace);
    if (entry) return { kind: "service", entry };
    const workload = this.workloads.byAddress(address);
    return workload && { kind: "workload", workload };
  }

  /**
   * The workload of a pod of this node, waiting until the control plane has sent it.
   * Resolves to undefined after `timeoutMs` or when `signal` aborts.
   */
  async waitForLocal(name: LocalWorkloadName, timeoutMs: number, signal?: AbortSignal): Promise<Workload | undefined> {
    const known = this.workloads.local(name);
    if (known || signal?.aborted) return known;
    const { promise, resolve } = Promise.withResolvers<Workload | undefined>();
    const giveUp = (): void => resolve(undefined);
    using _timer = this.#clock.setTimer(timeoutMs, giveUp);
    using _listener = this.onWorkloads(() => {
      const workload = this.workloads.local(name);
      if (workload) resolve(workload);
    });
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  #setWorkload(workload: Workload): Change<Workload> {
    const change = this.workloads.set(workload);
    for (const key of change.before?.services.keys() ?? []) {
      if (!workload.services.has(key)) this.services.deleteEndpoint(key, workload.uid);
    }
    for (const [key, ports] of workload.services) {
      this.services.setEndpoint(key, { workload, ports });
    }
    return change;
  }

  #removeWorkload(uid: string): Change<Workload> | undefined {
    const change = this.workloads.delete(uid);
    for (const key of change?.before?.services.keys() ?? []) this.services.deleteEndpoint(key, uid);
    return change;
  }
}
