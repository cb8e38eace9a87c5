// SPDX-License-Identifier: Apache-2.0
import { RESOURCES, kubeErrors, parseObjectKey, type EventRecorder } from "@ambientmesh/kube";
import type { Service } from "@ambientmesh/api/kubernetes";
import type { ControllerDeps } from "./cluster-state.ts";
import { Reconciler } from "./reconciler.ts";

/** Addresses below 10.96.1.0 are for services that ask for a certain one, as `kube-dns` does. */
const FIRST_DYNAMIC = 256;
const LAST = 65_534;

/** The n-th address of 10.96.0.0/16. */
function serviceAddress(number: number): string {
  return `10.96.${Math.floor(number / 256)}.${number % 256}`;
}

/** Gives out service addresses in turn, so that one of a deleted service is not used again at once. */
export class ClusterIpAllocator {
  #next = FIRST_DYNAMIC;

  /** An address that none of the services has, undefined when there is none. */
  next(taken: ReadonlySet<string>): string | undefined {
    for (let tries = FIRST_DYNAMIC; tries <= LAST; tries++) {
      const address = serviceAddress(this.#next);
      this.#next = this.#next === LAST ? FIRST_DYNAMIC : this.#next + 1;
      if (!taken.has(address)) return address;
    }
    return undefined;
  }
}

/** True for services that have an address of their own and none yet. */
export function lacksClusterIp({ metadata, spec }: Service): boolean {
  return spec.type !== "ExternalName" && (spec.clusterIP ?? "") === "" && metadata.deletionTimestamp === undefined;
}

/** Gives each Service its ClusterIP. */
export function startClusterIps(deps: ControllerDeps & { readonly events: EventRecorder }): AsyncDisposable {
  const { client, state, events } = deps;
  const allocator = new ClusterIpAllocator();

  async function assign(key: string, signal: AbortSignal): Promise<void> {
    const ref = parseObjectKey(key);
    const services = await client.list(RESOURCES.Service, { signal });
    const service = services.find(({ metadata }) => metadata.name === ref.name && metadata.namespace === ref.namespace);
    if (service === undefined || !lacksClusterIp(service)) return;
    const taken = new Set(services.flatMap(({ spec }) => spec.clusterIP ?? []));
    const clusterIP = allocator.next(taken);
    if (clusterIP === undefined) {
      events.record(service, {
        type: "Warning",
        reason: "AllocationFailed",
        message: "all service addresses are taken",
      });
      return;
    }
    const spec = { clusterIP, clusterIPs: [clusterIP], ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack" };
    try {
      await client.mergePatch(RESOURCES.Service, ref, { spec }, { signal });
    } catch (error) {
      if (!kubeErrors.is(error, "KUBE_NOT_FOUND")) throw error;
    }
  }

  const reconciler = new Reconciler({ name: "cluster-ips", reconcile: assign }, deps);
  const stack = new AsyncDisposableStack();
  stack.use(reconciler);
  stack.use(
    state.services.subscribe((changes) => {
      for (const { key, after } of changes) if (after !== undefined && lacksClusterIp(after)) reconciler.add(key);
    }),
  );
  return stack;
}
