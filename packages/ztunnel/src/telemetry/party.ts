// SPDX-License-Identifier: Apache-2.0
import type { Baggage } from "@ambientmesh/hbone";
import type { Workload } from "../state/model.ts";

/** One end of a connection as metrics and logs name it. Empty texts are as good as missing. */
export interface Party {
  /** Name of the pod; only known from discovery. */
  readonly podName?: string | undefined;
  readonly namespace?: string | undefined;
  readonly workload?: string | undefined;
  readonly canonicalName?: string | undefined;
  readonly canonicalRevision?: string | undefined;
  readonly app?: string | undefined;
  readonly cluster?: string | undefined;
  readonly region?: string | undefined;
  readonly zone?: string | undefined;
}

export function partyOfWorkload(workload: Workload): Party {
  return {
    podName: workload.name,
    namespace: workload.namespace,
    workload: workload.workloadName,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    app: workload.canonicalName,
    cluster: workload.clusterId,
    region: workload.locality.region,
    zone: workload.locality.zone,
  };
}

/** What the peer says of itself; the app is then its workload's name, as in ztunnel. */
export function partyOfBaggage(baggage: Baggage): Party {
  return {
    namespace: baggage.namespace,
    workload: baggage.workloadName,
    canonicalName: baggage.canonicalName,
    canonicalRevision: baggage.canonicalRevision,
    app: baggage.workloadName,
    cluster: baggage.clusterId,
    region: baggage.region,
    zone: baggage.zone,
  };
}

/** What this side says of a workload in a tunnel's headers. */
export function baggageOf(workload: Workload): Baggage {
  return {
    clusterId: workload.clusterId,
    namespace: workload.namespace,
    workloadType: workload.workloadType,
    workloadName: workload.workloadName,
    canonicalName: workload.canonicalName,
    canonicalRevision: workload.canonicalRevision,
    region: workload.locality.region,
    zone: workload.locality.zone,
  };
}
