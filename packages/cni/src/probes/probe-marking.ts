// SPDX-License-Identifier: Apache-2.0
import {
  messageOf,
  type Clock,
  type CounterSeries,
  type GaugeSeries,
  type Logger,
  type Metrics,
} from "@ambientmesh/core";
import type { NetnsRef } from "@ambientmesh/linux";
import type { DualStackAddress } from "../redirection/redirection.ts";
import { PeriodicWork } from "../periodic-work.ts";
import type { ProbeOrigin } from "./kubelet.ts";
import type { ProbeRules, ProbeRuleSet } from "./probe-rules.ts";

export interface ProbeMarkingDeps {
  /** Of the pods of the mesh, now. */
  readonly addresses: () => readonly string[];
  readonly findOrigin: (nodeNetns: NetnsRef) => Promise<ProbeOrigin | undefined>;
  readonly rules: ProbeRuleSet;
  /** The node's own; stays the caller's. */
  readonly nodeNetns: NetnsRef;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface ProbeMarkingOptions {
  readonly source: DualStackAddress;
  readonly hasIpv6: boolean;
  /** How often the rules and the kubelet are looked at again, in ms. */
  readonly intervalMs: number;
}

/**
 * Keeps the node's rules for health probes as they should be: for the kubelet that runs now and the pods that are in the
 * mesh now. Rules stay when this ends, as those of pods do.
 */
export class ProbeMarking implements AsyncDisposable {
  readonly #deps: ProbeMarkingDeps;
  readonly #options: ProbeMarkingOptions;
  readonly #work: PeriodicWork;
  readonly #isMarking: GaugeSeries;
  readonly #applied: CounterSeries;
  #lastSaid = "";

  constructor(deps: ProbeMarkingDeps, options: ProbeMarkingOptions) {
    this.#deps = deps;
    this.#options = options;
    const { metrics } = deps;
    this.#isMarking = metrics
      .gauge({
        name: "nodeagent_probe_rules_intact",
        help: "1 if health probes of the kubelet are recognised, else 0.",
      })
      .with({});
    this.#applied = metrics
      .counter({
        name: "nodeagent_probe_rules_applied_total",
        help: "Times that the node's rules for health probes were written.",
      })
      .with({});
    this.#isMarking.set(0);
    this.#work = new PeriodicWork(deps, {
      name: "mark probes",
      intervalMs: options.intervalMs,
      work: () => this.#check(),
    });
  }

  start(): void {
    this.#work.start();
  }

  /** The pods of the mesh have changed. */
  update(): void {
    this.#work.wakeUp();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work[Symbol.asyncDispose]();
  }

  /** Never rejects: what fails now is tried again at the next look. */
  async #check(): Promise<void> {
    const { findOrigin, nodeNetns, addresses, rules } = this.#deps;
    try {
      const origin = await findOrigin(nodeNetns);
      if (!origin) {
        this.#isMarking.set(0);
        return this.#say("no kubelet was found on this node: health probes of pods that deny plaintext will fail", {});
      }
      const wanted = { ...this.#options, origin, addresses: addresses() };
      if ((await rules.inspect(nodeNetns, wanted)) !== "intact") {
        await rules.apply(nodeNetns, wanted);
        this.#applied.add();
      }
      this.#isMarking.set(1);
      this.#announce(wanted);
    } catch (error) {
      this.#isMarking.set(0);
      this.#say("health probes can't be marked; those of pods that deny plaintext will fail", {
        error: messageOf(error),
      });
    }
  }

  /** Problems are said once, not at each look. */
  #say(message: string, fields: Readonly<Record<string, string>>): void {
    const text = JSON.stringify([message, fields]);
    if (text !== this.#lastSaid) this.#deps.logger.warn(message, fields);
    this.#lastSaid = text;
  }

  #announce({ origin }: ProbeRules): void {
    const text = JSON.stringify(origin);
    if (text === this.#lastSaid) return;
    this.#lastSaid = text;
    const { logger, rules } = this.#deps;
    logger.info("health probes of the kubelet are marked", { ...origin, rules: rules.name });
    if (origin.kind === "uid") {
      logger.warn("the kubelet is recognised by its user only: every process of that user on the node counts", {
        uid: origin.uid,
      });
    }
  }
}
