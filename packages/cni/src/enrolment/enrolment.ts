// SPDX-License-Identifier: Apache-2.0
import type { Namespace, Pod } from "@ambientmesh/api/kubernetes";
import type { Clock, Logger, Metrics } from "@ambientmesh/core";
import { createEventRecorder, type EventRecorder, type KubeClient, type Store } from "@ambientmesh/kube";
import type { AgentConfig } from "../config/agent-config.ts";
import { createEligibility } from "../eligibility/eligibility.ts";
import { NetnsFinder } from "../pods/netns-finder.ts";
import type { NetnsRecords } from "../pods/netns-records.ts";
import { PodDirectory } from "../pods/pod-directory.ts";
import { provingAddresses, uidOf } from "../pods/pod-facts.ts";
import { ProcessScan } from "../pods/process-scan.ts";
import type { RuleDefaults } from "../redirection/pod-rules.ts";
import type { Redirection } from "../redirection/redirection.ts";
import { createEchoResults } from "../proof/echo-results.ts";
import { ProofReport } from "../proof/proof-report.ts";
import { Prover } from "../proof/prover.ts";
import { ZdsServer } from "../zds/zds-server.ts";
import { adoptAll } from "./adopt-all.ts";
import { PodAdoption } from "./adoption.ts";
import { Enroller } from "./enroller.ts";
import { FailureReport } from "./failure-report.ts";
import { KeyedLock } from "./keyed-lock.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { MeshConditions } from "./mesh-condition.ts";
import { PodReconciler } from "./pod-reconciler.ts";
import { watchPods } from "./pod-watch.ts";
import { SandboxEvents } from "./sandbox-events.ts";

export interface EnrolmentDeps {
  readonly client: KubeClient;
  /** Pods of this node. */
  readonly pods: Store<Pod>;
  readonly namespaces: Store<Namespace>;
  readonly records: NetnsRecords;
  readonly redirection: Redirection;
  readonly ruleDefaults: RuleDefaults;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Pods worked on at a time: each takes a few processes for some ten milliseconds. */
const CONCURRENCY = 8;

/** The part of the agent that takes pods into the mesh and out of it. Nothing runs before `start`. */
export class Enrolment implements AsyncDisposable {
  /** Takes what the CNI plugin tells. */
  readonly sandboxes: SandboxEvents;
  readonly #deps: EnrolmentDeps;
  readonly #directory: PodDirectory;
  readonly #enroller: Enroller;
  readonly #adoption: PodAdoption;
  readonly #zds: ZdsServer;
  readonly #queue: KeyedQueue;
  readonly #prover: Prover;
  readonly #stack = new AsyncDisposableStack();
  #onPodsChanged: () => void = () => {};

  constructor(deps: EnrolmentDeps, config: AgentConfig) {
    const { client, records, redirection, ruleDefaults, clock, logger, metrics } = deps;
    this.#deps = deps;
    this.#directory = new PodDirectory(deps);
    const directory = this.#directory;
    const events = createEventRecorder(
      { component: "istio-cni-node", host: config.nodeName },
      { client, clock, logger },
    );
    this.#stack.use(events);
    const zds = this.#createZds(config);
    const enroller = new Enroller(
      { zds, redirection, clock, logger, metrics, onChanged: () => this.#podsChanged() },
      config,
    );
    // Its descriptors are closed after the server that hands them out.
    this.#stack.use(enroller);
    this.#stack.use(zds);
    const finder = this.#createFinder(config);
    const conditions = new MeshConditions(deps);
    const report = new FailureReport({ client, events, conditions, clock, logger });
    const adoption = new PodAdoption(
      { finder, records, enroller, redirection, logger },
      { ruleDefaults, isRepairing: config.isReconcilingOnStartup },
    );
    const isEligible = createEligibility(config.eligibility);
    const reconciler = new PodReconciler(
      { directory, finder, records, adoption, enroller, client, report, conditions },
      { isEligible, ruleDefaults },
    );
    const lock = new KeyedLock();
    this.#zds = zds;
    this.#enroller = enroller;
    this.#adoption = adoption;
    this.#queue = this.#stack.use(
      new KeyedQueue(
        { clock, logger },
        { work: (uid, signal) => lock.run(uid, () => reconciler.reconcile(uid, signal)), concurrency: CONCURRENCY },
      ),
    );
    this.#prover = this.#stack.use(this.#createProver({ conditions, events, lock }, config));
    this.sandboxes = new SandboxEvents(
      { directory, finder, records, enroller, zds, report, lock, onEnrolled: (uid) => this.#lookAt(uid), logger },
      { isEligible, ruleDefaults },
    );
  }

  /** Takes up the pods of an agent before, then lets node proxies connect and begins to work. @throws MeshError CNI_SOCKET_IN_USE */
  async start(): Promise<void> {
    const { records, logger } = this.#deps;
    await adoptAll({ directory: this.#directory, records, adoption: this.#adoption, zds: this.#zds, logger });
    await this.#zds.start();
    this.#stack.use(watchPods({ ...this.#deps, directory: this.#directory, onChanged: (uid) => this.#queue.add(uid) }));
    this.#queue.start();
    this.#prover.start();
  }

  /** Has somebody told whenever other pods are in the mesh than before. */
  tellOfChanges(listener: () => void): void {
    this.#onPodsChanged = listener;
  }

  /** The addresses of all pods in the mesh. */
  addresses(): readonly string[] {
    return this.#enroller.uids.flatMap((uid) => this.#addressesOf(uid));
  }

  /** Stops working. Pods stay as they are. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  #addressesOf(uid: string): readonly string[] {
    const pod = this.#directory.byUid(uid);
    const record = this.#deps.records.get(uid);
    return pod ? provingAddresses(pod, record) : (record?.addresses ?? []);
  }

  #podsChanged(): void {
    this.#prover.wakeUp();
    this.#onPodsChanged();
  }

  #createZds({ zdsSocket }: AgentConfig): ZdsServer {
    const { clock, logger, metrics } = this.#deps;
    return new ZdsServer(
      {
        clock,
        logger: logger.child("cni.zds"),
        metrics,
        onConnected: () => {
          for (const pod of this.#directory.pods) this.#lookAt(uidOf(pod));
          this.#prover.wakeUp();
        },
        onRefused: (uid) => {
          this.#enroller.onRefused(uid);
          this.#lookAt(uid);
        },
      },
      { path: zdsSocket },
    );
  }

  #createProver(
    { conditions, events, lock }: { conditions: MeshConditions; events: EventRecorder; lock: KeyedLock },
    config: AgentConfig,
  ): Prover {
    const { redirection, clock, logger, metrics } = this.#deps;
    return new Prover(
      {
        enroller: this.#enroller,
        redirection,
        podOf: (uid) => this.#directory.byUid(uid),
        addressesOf: (uid) => this.#addressesOf(uid),
        lookAt: (uid) => this.#lookAt(uid),
        isProxyConnected: () => this.#zds.isConnected,
        echoes: createEchoResults({ logger }, { path: config.echoSocket }),
        report: new ProofReport({ conditions, events, logger, metrics }),
        lock,
        clock,
        logger: logger.child("cni.proof"),
        metrics,
      },
      { intervalMs: config.proofIntervalMs },
    );
  }

  #createFinder(config: AgentConfig): NetnsFinder {
    const { records, clock, logger } = this.#deps;
    return new NetnsFinder(
      {
        records,
        processes: new ProcessScan({ clock }, config),
        ownerOf: (netns) => this.#enroller.ownerOf(netns),
        logger: logger.child("cni.pods"),
      },
      config,
    );
  }

  /** The runtime may tell of a pod before the API server does; once it does, the pod is looked at by itself. */
  #lookAt(uid: string): void {
    if (this.#directory.byUid(uid)) this.#queue.add(uid);
  }
}
