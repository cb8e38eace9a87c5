// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import type { EnrolledPod } from "../enrolment/enroller.ts";
import { missingListeners } from "../enrolment/needed-listeners.ts";
import { holdsAnyAddress } from "../pods/netns-addresses.ts";
import type { PodRules, Redirection } from "../redirection/redirection.ts";
import type { EchoResult } from "./echo-results.ts";

/** What can be wrong with a pod that counts as being in the mesh. */
export type ProofProblem =
  /** The namespace is not the pod's any more: its sandbox was replaced, and nobody said so. */
  | "NetnsReplaced"
  /** Nobody listens where traffic is redirected to: it is refused. */
  | "ListenersMissing"
  /** Traffic passes by the mesh, or in a way that nobody wants. */
  | "RulesMissing"
  | "RulesAltered"
  /** The node proxy itself can't get through. */
  | "EchoFailed"
  /** It could not be looked at. */
  | "NotProvable";

/** The outcome of a look at a pod. */
export type Proof =
  | { readonly kind: "proved" }
  | { readonly kind: "disproved"; readonly problem: ProofProblem; readonly message: string };

export interface PodProofDeps {
  readonly redirection: Redirection;
  readonly isProxyConnected: () => boolean;
  /** Results older than this prove nothing, in ms. */
  readonly maxEchoAgeMs: number;
}

const PROVED: Proof = { kind: "proved" };

/** Proves that pods are in the mesh. Remembers of each what its rules looked like when they were compared in full. */
export class PodProofs {
  readonly #deps: PodProofDeps;
  readonly #intact = new Map<string, { readonly fingerprint: string; readonly rules: PodRules }>();

  constructor(deps: PodProofDeps) {
    this.#deps = deps;
  }

  /** Never rejects. `addresses`: those the pod should have; none if that is not known. */
  async prove(pod: EnrolledPod, addresses: readonly string[], echo: EchoResult | undefined): Promise<Proof> {
    try {
      return await this.#prove(pod, addresses, echo);
    } catch (error) {
      return disproved("NotProvable", `the pod could not be looked at: ${messageOf(error)}`);
    }
  }

  /** The pod is not in the mesh any more. */
  forget(uid: string): void {
    this.#intact.delete(uid);
  }

  async #prove(pod: EnrolledPod, addresses: readonly string[], echo: EchoResult | undefined): Promise<Proof> {
    const { netns, rules } = pod;
    if (addresses.length > 0 && !holdsAnyAddress(netns, addresses)) {
      return disproved("NetnsReplaced", `its network namespace holds none of its addresses (${addresses.join(", ")})`);
    }
    const missing = missingListeners(netns, rules);
    if (missing.length > 0) {
      const why = this.#deps.isProxyConnected() ? "its node proxy does not serve it" : "no node proxy is connected";
      return disproved("ListenersMissing", `nobody listens on ${missing.join(", ")} in the pod: ${why}`);
    }
    const state = await this.#inspect(pod);
    if (state === "absent") return disproved("RulesMissing", "its redirection rules are gone");
    if (state === "altered") return disproved("RulesAltered", "its redirection rules are not what they should be");
    if (echo && !echo.isAnswered && echo.ageMs <= this.#deps.maxEchoAgeMs) {
      return disproved("EchoFailed", `the node proxy got no echo through the pod: ${echo.reason}`);
    }
    return PROVED;
  }

  async #inspect({ workload, netns, rules }: EnrolledPod): Promise<"absent" | "altered" | "intact"> {
    const { redirection } = this.#deps;
    // Taken before: what changes during the comparison has it done again.
    const fingerprint = redirection.fingerprint(netns);
    const key = `${netns.dev}:${netns.ino} ${fingerprint}`;
    const known = this.#intact.get(workload.uid);
    if (fingerprint !== undefined && known?.fingerprint === key && known.rules === rules) return "intact";
    const state = await redirection.inspect(netns, rules);
    if (state === "intact") this.#intact.set(workload.uid, { fingerprint: key, rules });
    else this.#intact.delete(workload.uid);
    return state;
  }
}

function disproved(problem: ProofProblem, message: string): Proof {
  return { kind: "disproved", problem, message };
}
