// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import type { Logger } from "@ambientmesh/core";
import { objectKey } from "@ambientmesh/kube";
import type { NetnsFinder } from "../pods/netns-finder.ts";
import { recordOf, type NetnsRecords } from "../pods/netns-records.ts";
import { netnsQueryOf, provingAddresses, uidOf, workloadOf } from "../pods/pod-facts.ts";
import { podRules, type RuleDefaults } from "../redirection/pod-rules.ts";
import type { Redirection } from "../redirection/redirection.ts";
import type { Enroller } from "./enroller.ts";
import { redirectionStatus } from "./redirection-annotation.ts";

export interface PodAdoptionDeps {
  readonly finder: NetnsFinder;
  readonly records: NetnsRecords;
  readonly enroller: Enroller;
  readonly redirection: Redirection;
  readonly logger: Logger;
}

export interface PodAdoptionOptions {
  readonly ruleDefaults: RuleDefaults;
  /** Rules that differ from what this agent would apply are replaced. */
  readonly isRepairing: boolean;
}

/**
 * Takes up the pods that an agent of before enrolled. What their annotation says is no proof: what counts is which rules
 * are in their namespaces.
 */
export class PodAdoption {
  readonly #deps: PodAdoptionDeps;
  readonly #options: PodAdoptionOptions;

  constructor(deps: PodAdoptionDeps, options: PodAdoptionOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** True if the pod may have been in the mesh. */
  isCandidate(pod: Pod): boolean {
    return redirectionStatus(pod) !== undefined || this.#deps.records.get(uidOf(pod))?.isRedirected === true;
  }

  /** Makes the pod one of the enroller's, if it is redirected. Calls for one pod must not overlap. @throws MeshError LINUX_* */
  async adopt(pod: Pod): Promise<"adopted" | "not-found" | "not-redirected"> {
    const { finder, records, enroller, logger } = this.#deps;
    const uid = uidOf(pod);
    const record = records.get(uid);
    const addresses = provingAddresses(pod, record);
    const found = addresses.length > 0 ? await finder.find(netnsQueryOf(pod, addresses)) : undefined;
    const workload = workloadOf(pod);
    if (!found) return "not-found";
    using owned = new DisposableStack();
    owned.use(found.netns);
    const { rules } = podRules(pod.metadata.annotations ?? {}, this.#options.ruleDefaults);
    const state = await this.#deps.redirection.inspect(found.netns, rules);
    logger.info("a pod of an agent before was looked at", { pod: objectKey(pod.metadata), uid, rules: state });
    if (state === "absent") return "not-redirected";
    if (state === "altered" && this.#options.isRepairing) await this.#deps.redirection.apply(found.netns, rules);
    await records.set(
      recordOf(workload, found, {
        addresses,
        isRedirected: true,
        ...(record?.sandboxId !== undefined && { sandboxId: record.sandboxId }),
      }),
    );
    owned.move();
    enroller.adopt(workload, found.netns, rules);
    return "adopted";
  }
}
