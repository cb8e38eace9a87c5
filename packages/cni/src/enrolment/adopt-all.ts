// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import type { Logger } from "@ambientmesh/core";
import type { NetnsRecords } from "../pods/netns-records.ts";
import type { PodDirectory } from "../pods/pod-directory.ts";
import { isTerminal, workloadOf } from "../pods/pod-facts.ts";
import type { ZdsServer } from "../zds/zds-server.ts";
import type { PodAdoption } from "./adoption.ts";

export interface AdoptAllDeps {
  readonly directory: PodDirectory;
  readonly records: NetnsRecords;
  readonly adoption: PodAdoption;
  readonly zds: Pick<ZdsServer, "expect">;
  readonly logger: Logger;
}

const CONCURRENCY = 8;

/**
 * Takes up all pods of an agent before, so that the first snapshot a node proxy gets is complete: it lets go of every pod
 * it is not told of. Pods that cause trouble are kept there, and left to the queue.
 */
export async function adoptAll({ directory, records, adoption, zds, logger }: AdoptAllDeps): Promise<void> {
  for (const { uid } of records.values()) if (!directory.byUid(uid)) await records.delete(uid);
  const candidates = [...directory.pods].filter((pod) => !isTerminal(pod) && adoption.isCandidate(pod)).values();
  const keep = (pod: Pod, error?: unknown): void => {
    const workload = workloadOf(pod);
    logger.warn("a pod of an agent before can't be looked at, the node proxy keeps what it has of it", {
      ...workload,
      error,
    });
    zds.expect({ workload, netns: undefined });
  };
  const work = async (): Promise<void> => {
    for (const pod of candidates) {
      try {
        if ((await adoption.adopt(pod)) === "not-found") keep(pod);
      } catch (error) {
        keep(pod, error);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, work));
}
