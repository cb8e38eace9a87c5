// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import type { Logger } from "@ambientmesh/core";
import type { EligibilityTest } from "../eligibility/eligibility.ts";
import { cniErrors } from "../errors.ts";
import type { FoundNetns, NetnsFinder } from "../pods/netns-finder.ts";
import { recordOf, type NetnsRecords } from "../pods/netns-records.ts";
import type { PodDirectory } from "../pods/pod-directory.ts";
import { netnsQueryOf, uidOf, workloadOf } from "../pods/pod-facts.ts";
import type { AddRequest, DeleteRequest } from "../plugin-server/plugin-request.ts";
import { podRules, type RuleDefaults } from "../redirection/pod-rules.ts";
import type { ZdsServer } from "../zds/zds-server.ts";
import type { Enroller } from "./enroller.ts";
import type { FailureReport } from "./failure-report.ts";
import type { KeyedLock } from "./keyed-lock.ts";

export interface SandboxEventsDeps {
  readonly directory: PodDirectory;
  readonly finder: NetnsFinder;
  readonly records: NetnsRecords;
  readonly enroller: Enroller;
  readonly zds: Pick<ZdsServer, "whenConnected">;
  readonly report: FailureReport;
  /** Held per pod uid; shared with whoever else works on pods. */
  readonly lock: KeyedLock;
  /** The pod has changed; its annotation is to be brought up to date. */
  readonly onEnrolled: (uid: string) => void;
  readonly logger: Logger;
}

export interface SandboxEventsOptions {
  readonly isEligible: EligibilityTest;
  readonly ruleDefaults: RuleDefaults;
}

/** A proxy that is being restarted is waited for, but Istio's plugin gives up after 5 s. */
const WAIT_FOR_PROXY_MS = 3000;

/**
 * What the container runtime tells through the CNI plugin. A pod of the mesh is redirected before its first container
 * starts, or does not start.
 */
export class SandboxEvents {
  readonly #deps: SandboxEventsDeps;
  readonly #options: SandboxEventsOptions;

  constructor(deps: SandboxEventsDeps, options: SandboxEventsOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * A sandbox was made; returns when the pod may start.
   * @throws MeshError CNI_*, LINUX_*, KUBE_*: it must not, and the runtime tries again with a new sandbox
   */
  async added(request: AddRequest, signal: AbortSignal): Promise<void> {
    const { directory, lock, logger } = this.#deps;
    logger.debug("the runtime made a sandbox", { ...request.pod, netns: request.netns, addresses: request.addresses });
    const pod = await directory.lookUp(request.pod, signal);
    const namespace = pod && (await directory.lookUpNamespace(pod, signal));
    if (!pod || !namespace) {
      const { namespace: place, name, uid } = request.pod;
      const text = `the API server knows no pod ${place}/${name}${uid === undefined ? "" : ` with uid ${uid}`}`;
      throw cniErrors.create("CNI_POD_UNKNOWN", text, { details: { ...request.pod }, retryable: true });
    }
    const { isEligible } = this.#options.isEligible(pod, namespace);
    await lock.run(uidOf(pod), () => (isEligible ? this.#enrol(pod, request, signal) : this.#remember(pod, request)));
  }

  /** A sandbox is taken down. There may be a newer one of the same pod already, which stays. */
  async deleted({ pod, sandboxId }: DeleteRequest): Promise<void> {
    const { records, enroller, lock } = this.#deps;
    const record = [...records.values()].find(
      ({ namespace, name, sandboxId: recorded }) =>
        recorded === sandboxId && namespace === pod.namespace && name === pod.name,
    );
    if (!record) return;
    await lock.run(record.uid, async () => {
      if (records.get(record.uid)?.sandboxId !== sandboxId) return;
      await enroller.forget(record.uid);
      await records.delete(record.uid);
    });
  }

  async #enrol(pod: Pod, request: AddRequest, signal: AbortSignal): Promise<void> {
    const { finder, records, enroller, zds, report } = this.#deps;
    const workload = workloadOf(pod);
    const { rules, problems } = podRules(pod.metadata.annotations ?? {}, this.#options.ruleDefaults);
    report.ignored(pod, problems);
    try {
      await zds.whenConnected(WAIT_FOR_PROXY_MS, signal);
      const found = finder.open(request.netns, netnsQueryOf(pod, request.addresses));
      await this.#record(pod, request, found, true);
      const outcome = await enroller.enrol(workload, found.netns, rules);
      if (outcome.kind === "pending") throw outcome.error;
    } catch (error) {
      await records.delete(workload.uid);
      if (!signal.aborted) await report.failed(pod, error, signal);
      throw error;
    }
    this.#deps.onEnrolled(workload.uid);
  }

  /** Should the pod be taken into the mesh later, its namespace is known. */
  async #remember(pod: Pod, request: AddRequest): Promise<void> {
    const { finder, logger } = this.#deps;
    let found: FoundNetns;
    try {
      found = finder.open(request.netns, netnsQueryOf(pod, request.addresses));
    } catch (error) {
      if (!cniErrors.is(error)) throw error;
      // Pods outside the mesh start in any case; processes will show the namespace if it is ever needed.
      logger.info("the namespace of a pod outside the mesh was not noted", { error: error.message });
      return;
    }
    using _netns = found.netns;
    await this.#record(pod, request, found, false);
  }

  async #record(pod: Pod, request: AddRequest, found: FoundNetns, isRedirected: boolean): Promise<void> {
    const { addresses, sandboxId } = request;
    const facts = { addresses, isRedirected, ...(sandboxId !== undefined && { sandboxId }) };
    await this.#deps.records.set(recordOf(workloadOf(pod), found, facts));
  }
}
