// SPDX-License-Identifier: Apache-2.0
import { Backoff, messageOf, type Clock, type Logger, type Timer } from "@ambientmesh/core";
import type { Condition, Container, Pod, PodStatus } from "@ambientmesh/api/kubernetes";
import { ContainerRunner, type ContainerStarter } from "./container-runner.ts";
import { CREATING, type ContainerRecord, type ContainerState } from "./container-state.ts";
import { podStatus } from "./pod-status.ts";
import { unsupportedFields } from "./supported.ts";

/** Where the containers of one pod run: network, volumes, control group. Disposing ends what still runs in it. */
export interface Sandbox extends AsyncDisposable {
  readonly podIp: string;
  starterFor(container: Container): ContainerStarter;
}

export interface PodWorkerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** @throws MeshError saying what lacks; it is tried again */
  readonly createSandbox: (pod: Pod, signal: AbortSignal) => Promise<Sandbox>;
  /** The pod's status has changed. */
  readonly publish: (pod: Pod, status: PodStatus) => void;
  /** Something went wrong that users should know of. */
  readonly warn: (pod: Pod, reason: string, message: string) => void;
  readonly hostIp: string;
}

const FIRST_RETRY_MS = 200;
const LAST_RETRY_MS = 5000;

/** Runs one pod from its arrival on the node to its end. */
export class PodWorker {
  readonly pod: Pod;
  readonly #deps: PodWorkerDeps;
  readonly #stopping = new AbortController();
  readonly #startedAtMs: number;
  #sandbox: Sandbox | undefined;
  #runners: readonly ContainerRunner[] = [];
  /** Why no container runs yet. */
  #waiting: ContainerState = CREATING;
  #conditions: readonly Condition[];
  #deadline: { readonly atMs: number; readonly timer: Timer } | undefined;
  readonly #ended: Promise<void>;

  constructor(pod: Pod, deps: PodWorkerDeps) {
    this.pod = pod;
    this.#deps = deps;
    this.#startedAtMs = deps.clock.now();
    this.#conditions = pod.status?.conditions ?? [];
    this.#ended = this.#run();
  }

  /** Resolves when the pod was stopped and nothing of it is left on the node. Never rejects. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  get containers(): readonly ContainerRecord[] {
    if (this.#runners.length > 0) return this.#runners.map(({ record }) => record);
    return this.pod.spec.containers.map(({ name }) => ({
      name,
      state: this.#waiting,
      restarts: 0,
      lastExit: undefined,
    }));
  }

  get isReady(): boolean {
    return this.containers.every(({ state }) => state.kind === "running" && state.isReady);
  }

  /** Process ids of the running containers, in the pod's order. */
  get pids(): readonly number[] {
    return this.containers.flatMap(({ state }) => (state.kind === "running" ? [state.pid] : []));
  }

  /**
   * Ends the pod: SIGTERM now, SIGKILL after the grace period. A later call can only bring the end forward.
   * @param graceMs 0: SIGKILL now
   */
  stop(graceMs: number): void {
    const { clock } = this.#deps;
    const atMs = clock.now() + graceMs;
    if (this.#deadline !== undefined && this.#deadline.atMs <= atMs) return;
    const isFirst = this.#deadline === undefined;
    this.#deadline?.timer.cancel();
    this.#deadline = { atMs, timer: clock.setTimer(graceMs, () => this.#kill()) };
    this.#stopping.abort();
    if (graceMs <= 0) this.#kill();
    else if (isFirst) for (const runner of this.#runners) runner.stop();
  }

  #kill(): void {
    for (const runner of this.#runners) runner.kill();
  }

  async #run(): Promise<void> {
    // The constructor's caller keeps us before anything is told.
    await Promise.resolve();
    try {
      await this.#runToTheEnd();
    } catch (error) {
      this.#deps.logger.error("a pod could not be run or removed", { ...this.#name(), error });
      await this.#untilStopped();
    }
    this.#deadline?.timer.cancel();
    this.#publish();
  }

  async #runToTheEnd(): Promise<void> {
    const problems = unsupportedFields(this.pod);
    if (problems.length > 0) {
      this.#deps.warn(this.pod, "Failed", problems.join("; "));
      this.#wait("CreateContainerConfigError", problems.join("; "));
      await this.#untilStopped();
      return;
    }
    this.#publish();
    this.#sandbox = await this.#createSandbox();
    if (this.#sandbox === undefined) return;
    const { restartPolicy = "Always", containers } = this.pod.spec;
    {
      await using sandbox = this.#sandbox;
      this.#runners = containers.map((container) => {
        const starter = sandbox.starterFor(container);
        const { clock } = this.#deps;
        return new ContainerRunner(container, { clock, starter, restartPolicy, onChange: () => this.#onChange() });
      });
      if (this.#stopping.signal.aborted) for (const runner of this.#runners) runner.stop();
      await Promise.all(this.#runners.map((runner) => runner.run()));
    }
    // Pods that have ended by themselves stay in the API until somebody deletes them.
    this.#publish();
    await this.#untilStopped();
  }

  async #createSandbox(): Promise<Sandbox | undefined> {
    const { clock, createSandbox, warn } = this.#deps;
    const { signal } = this.#stopping;
    const backoff = new Backoff({ initialMs: FIRST_RETRY_MS, maxMs: LAST_RETRY_MS });
    while (!signal.aborted) {
      try {
        return await createSandbox(this.pod, signal);
      } catch (error) {
        if (signal.aborted) break;
        const message = messageOf(error);
        warn(this.pod, "FailedCreatePodSandBox", message);
        this.#wait("ContainerCreating", message);
      }
      await clock.sleep(backoff.next(), signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
    return undefined;
  }

  async #untilStopped(): Promise<void> {
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }

  #wait(reason: string, message: string): void {
    this.#waiting = { kind: "waiting", reason, message };
    this.#publish();
  }

  #onChange(): void {
    for (const { state, name } of this.containers) {
      if (state.kind !== "waiting" || state.message === undefined) continue;
      const reason = state.reason === "CrashLoopBackOff" ? "BackOff" : "Failed";
      this.#deps.warn(this.pod, reason, `container ${name}: ${state.message}`);
    }
    this.#publish();
  }

  #publish(): void {
    const { clock, hostIp, publish } = this.#deps;
    const status = podStatus({
      pod: this.pod,
      hostIp,
      podIp: this.#sandbox?.podIp,
      containers: this.containers,
      startedAtMs: this.#startedAtMs,
      nowMs: clock.now(),
      before: this.#conditions,
    });
    this.#conditions = status.conditions ?? [];
    publish(this.pod, status);
  }

  #name(): { readonly namespace: string; readonly pod: string } {
    const { namespace = "", name } = this.pod.metadata;
    return { namespace, pod: name };
  }
}
