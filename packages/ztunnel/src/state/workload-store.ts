// SPDX-License-Identifier: Apache-2.0
import type { Change } from "@ambientmesh/core";
import { MultiMap } from "./multi-map.ts";
import { addressKey, serviceKey, type NamespacedHostname, type NetworkAddress, type Workload } from "./model.ts";

/** What the CNI agent says of a pod; enough to find its workload among those of this node. */
export interface LocalWorkloadName {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Workloads by uid, by address, by hostname, and those of this node by name. */
export class WorkloadStore {
  readonly #byUid = new Map<string, Workload>();
  readonly #byAddress = new MultiMap<Workload>();
  readonly #byHostname = new MultiMap<Workload>();
  readonly #local = new MultiMap<Workload>();
  readonly #localNode: string | undefined;

  /** @param localNode - the name of this node; undefined: every workload counts as local. */
  constructor(localNode: string | undefined) {
    this.#localNode = localNode;
  }

  get size(): number {
    return this.#byUid.size;
  }

  all(): Iterable<Workload> {
    return this.#byUid.values();
  }

  byUid(uid: string): Workload | undefined {
    return this.#byUid.get(uid);
  }

  /** The workload that owns an address; of several, the one most likely to answer there (a pod before others). */
  byAddress(address: NetworkAddress): Workload | undefined {
    return this.#byAddress.get(addressKey(address))[0];
  }

  /** The first workload with this hostname in the namespace. */
  byHostname(name: NamespacedHostname): Workload | undefined {
    return this.#byHostname.get(serviceKey(name))[0];
  }

  /** The workload of a pod on this node. */
  local(name: LocalWorkloadName): Workload | undefined {
    return this.#local.get(localKey(name))[0];
  }

  isLocal(workload: Workload): boolean {
    return this.#localNode === undefined || workload.node === this.#localNode;
  }

  /** Adds or replaces a workload by uid. */
  set(workload: Workload): Change<Workload> {
    const before = this.#byUid.get(workload.uid);
    if (before) this.#unindex(before);
    this.#byUid.set(workload.uid, workload);
    this.#index(workload);
    return { key: workload.uid, after: workload, ...(before && { before }) };
  }

  delete(uid: string): Change<Workload> | undefined {
    const before = this.#byUid.get(uid);
    if (!before) return undefined;
    this.#byUid.delete(uid);
    this.#unindex(before);
    return { key: uid, before };
  }

  #index(workload: Workload): void {
    // Pods on the host network share their node's address, so it identifies none of them.
    for (const key of addressKeys(workload)) this.#byAddress.add(key, workload, addressRank);
    if (workload.hostname !== "") this.#byHostname.add(serviceKey(workload), workload);
    if (this.isLocal(workload)) this.#local.add(localKey(workload), workload, addressRank);
  }

  #unindex(workload: Workload): void {
    for (const key of addressKeys(workload)) this.#byAddress.delete(key, workload);
    if (workload.hostname !== "") this.#byHostname.delete(serviceKey(workload), workload);
    this.#local.delete(localKey(workload), workload);
  }
}

function addressKeys(workload: Workload): readonly string[] {
  if (workload.networkMode === "HostNetwork") return [];
  return workload.addresses.map((ip) => addressKey({ network: workload.network, ip }));
}

/** Who wins an address that several workloads claim (Istio 1.31: a pod with HBONE, a pod, HBONE, others). */
function addressRank(workload: Workload): number {
  return (workload.uid.includes("//Pod/") ? 2 : 0) + (workload.protocol === "HBONE" ? 1 : 0);
}

function localKey({ namespace, serviceAccount, name }: LocalWorkloadName): string {
  return `${namespace}/${serviceAccount}/${name}`;
}
