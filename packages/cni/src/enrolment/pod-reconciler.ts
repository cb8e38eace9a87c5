// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import type { KubeClient } from "@ambientmesh/kube";
import type { EligibilityTest } from "../eligibility/eligibility.ts";
import { cniErrors } from "../errors.ts";
import { holdsAnyAddress } from "../pods/netns-addresses.ts";
import type { NetnsFinder } from "../pods/netns-finder.ts";
import { recordOf, type NetnsRecords } from "../pods/netns-records.ts";
import type { PodDirectory } from "../pods/pod-directory.ts";
import { isTerminal, netnsQueryOf, provingAddresses, uidOf, workloadOf } from "../pods/pod-facts.ts";
import { podRules, type RuleDefaults } from "../redirection/pod-rules.ts";
import type { PodRules } from "../redirection/redirection.ts";
import type { PodAdoption } from "./adoption.ts";
import type { Enroller, EnrolmentOutcome } from "./enroller.ts";
import type { FailureReport } from "./failure-report.ts";
import type { WorkResult } from "./keyed-queue.ts";
import type { MeshConditions } from "./mesh-condition.ts";
import { writeRedirectionStatus } from "./redirection-annotation.ts";

export interface PodReconcilerDeps {
  readonly directory: PodDirectory;
  readonly finder: NetnsFinder;
  readonly records: NetnsRecords;
  readonly adoption: PodAdoption;
  readonly enroller: Enroller;
  readonly client: KubeClient;
  readonly report: FailureReport;
  readonly conditions: MeshConditions;
}

export interface PodReconcilerOptions {
  readonly isEligible: EligibilityTest;
  readonly ruleDefaults: RuleDefaults;
}

const DONE: WorkResult = { kind: "done" };

/** Brings one pod to where it belongs: into the mesh or out of it. Calls for one pod must not overlap. */
export class PodReconciler {
  readonly #deps: PodReconcilerDeps;
  readonly #options: PodReconcilerOptions;

  constructor(deps: PodReconcilerDeps, options: PodReconcilerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** @throws MeshError CNI_*, LINUX_*, KUBE_*: to be repeated */
  async reconcile(uid: string, signal: AbortSignal): Promise<WorkResult> {
    const { directory, enroller, records } = this.#deps;
    const pod = directory.byUid(uid);
    if (!pod || isTerminal(pod)) {
      await enroller.forget(uid);
      await records.delete(uid);
      this.#deps.report.settled(uid);
      this.#deps.conditions.forget(uid);
      return DONE;
    }
    const namespace = directory.namespaceOf(pod);
    // Its labels decide; where they are not known yet, the namespace's own change brings the pod here again.
    if (!namespace) return DONE;
    const { isEligible } = this.#options.isEligible(pod, namespace);
    return isEligible ? this.#join(pod, signal) : this.#leave(pod, signal);
  }

  async #join(pod: Pod, signal: AbortSignal): Promise<WorkResult> {
    const { client, report } = this.#deps;
    const { rules, problems } = podRules(pod.metadata.annotations ?? {}, this.#options.ruleDefaults);
    report.ignored(pod, problems);
    try {
      const outcome = (await this.#maintain(pod, rules)) ?? (await this.#enrol(pod, rules));
      if (outcome?.kind === "pending") throw outcome.error;
      if (outcome?.kind === "enrolled") {
        await writeRedirectionStatus(client, pod, "enabled", signal);
        if (problems.length === 0) report.settled(uidOf(pod));
      }
      return DONE;
    } catch (error) {
      if (!signal.aborted) await report.failed(pod, error, signal);
      throw error;
    }
  }

  /** Undefined if the pod is not in the mesh, or its sandbox has been replaced without notice. */
  async #maintain(pod: Pod, rules: PodRules): Promise<EnrolmentOutcome | undefined> {
    const { enroller, records } = this.#deps;
    const uid = uidOf(pod);
    const enrolled = enroller.get(uid);
    const addresses = provingAddresses(pod, records.get(uid));
    if (enrolled && addresses.length > 0 && !holdsAnyAddress(enrolled.netns, addresses)) await enroller.forget(uid);
    return enroller.maintain(uid, rules);
  }

  /** Undefined if the pod has to be waited for: the container runtime or an address will bring it here again. */
  async #enrol(pod: Pod, rules: PodRules): Promise<EnrolmentOutcome | undefined> {
    const { enroller, finder, records } = this.#deps;
    const workload = workloadOf(pod);
    const record = records.get(workload.uid);
    const addresses = provingAddresses(pod, record);
    if (addresses.length === 0 || pod.metadata.deletionTimestamp !== undefined) return undefined;
    const found = await finder.find(netnsQueryOf(pod, addresses));
    if (!found) {
      const text = `the network namespace of pod ${workload.namespace}/${workload.name} is not found`;
      throw cniErrors.create("CNI_NETNS_NOT_FOUND", text, { details: { uid: workload.uid }, retryable: true });
    }
    const { sandboxId } = record ?? {};
    const facts = { addresses, isRedirected: true, ...(sandboxId !== undefined && { sandboxId }) };
    await records.set(recordOf(workload, found, facts));
    const outcome = await enroller.enrol(workload, found.netns, rules);
    if (outcome.kind !== "enrolled") await records.setRedirected(workload.uid, false);
    return outcome;
  }

  async #leave(pod: Pod, signal: AbortSignal): Promise<WorkResult> {
    const { adoption, client, enroller, records } = this.#deps;
    const uid = uidOf(pod);
    if (!enroller.get(uid) && adoption.isCandidate(pod)) await adoption.adopt(pod);
    // First, so that others stop sending HBONE while it is still answered.
    await writeRedirectionStatus(client, pod, undefined, signal);
    await this.#deps.conditions.clear(pod, signal);
    const result = await enroller.leave(uid);
    if (result.kind === "done") await records.setRedirected(uid, false);
    return result;
  }
}
