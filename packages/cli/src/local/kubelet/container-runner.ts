// SPDX-License-Identifier: Apache-2.0
import { Backoff, messageOf, type Clock } from "@ambientmesh/core";
import type { Container, PodSpec } from "@ambientmesh/api/kubernetes";
import {
  CREATING,
  type ContainerEnd,
  type ContainerExit,
  type ContainerRecord,
  type ContainerState,
} from "./container-state.ts";

/** A program that runs for a container. */
export interface ContainerProcess {
  readonly pid: number;
  /** Resolves when the program and everything it left behind has ended. */
  readonly exited: Promise<ContainerEnd>;
  signal(signal: NodeJS.Signals): void;
}

/** Starts and looks at the programs of one container. */
export interface ContainerStarter {
  /** @throws MeshError CLI_POD_FAILED saying what keeps the program from starting */
  start(): Promise<ContainerProcess>;
  /** True if the container serves now. */
  probe(process: ContainerProcess, signal: AbortSignal): Promise<boolean>;
}

export interface ContainerRunnerDeps {
  readonly clock: Clock;
  readonly starter: ContainerStarter;
  readonly restartPolicy: NonNullable<PodSpec["restartPolicy"]>;
  /** The container's state has changed. */
  readonly onChange: () => void;
}

/** Kubernetes begins at 10 s and goes up to 5 min; who tries something out on one machine does not want to wait so long. */
const FIRST_RESTART_MS = 1000;
const LAST_RESTART_MS = 60_000;
/** A container that ran so long is restarted without the delays of earlier failures. */
const GOOD_RUN_MS = 60_000;
const PROBE_UNREADY_MS = 200;
const DEFAULT_PROBE = { periodSeconds: 10, failureThreshold: 3 };
/** Without a probe readiness is a look at a file. */
const LISTENING_PROBE = { periodSeconds: 1, failureThreshold: 1 };

/** Runs the program of one container, again after it ends as far as the pod's restart policy says. */
export class ContainerRunner {
  readonly #container: Container;
  readonly #deps: ContainerRunnerDeps;
  readonly #backoff = new Backoff({ initialMs: FIRST_RESTART_MS, maxMs: LAST_RESTART_MS, jitter: 0 });
  readonly #stopping = new AbortController();
  #state: ContainerState = CREATING;
  #restarts = 0;
  #lastExit: ContainerExit | undefined;
  #process: ContainerProcess | undefined;

  constructor(container: Container, deps: ContainerRunnerDeps) {
    this.#container = container;
    this.#deps = deps;
  }

  get record(): ContainerRecord {
    return { name: this.#container.name, state: this.#state, restarts: this.#restarts, lastExit: this.#lastExit };
  }

  /** Resolves when the program has ended for good. Never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#stopping;
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const exit = await this.#runOnce(isFirst);
      if (exit !== undefined && !this.#isRestarted(exit)) {
        this.#change({ kind: "ended", exit });
        return;
      }
      if (exit !== undefined && exit.finishedAtMs - exit.startedAtMs >= GOOD_RUN_MS) this.#backoff.reset();
      await this.#waitForRestart(exit);
    }
    if (this.#lastExit !== undefined) this.#change({ kind: "ended", exit: this.#lastExit });
  }

  /** Asks the program to end, and does not start another one. */
  stop(): void {
    this.#stopping.abort();
    this.#process?.signal("SIGTERM");
  }

  /** Ends the program at once. */
  kill(): void {
    this.#stopping.abort();
    this.#process?.signal("SIGKILL");
  }

  async #runOnce(isFirst: boolean): Promise<ContainerExit | undefined> {
    const { clock, starter } = this.#deps;
    try {
      this.#process = await starter.start();
    } catch (error) {
      this.#change({ kind: "waiting", reason: "CreateContainerError", message: messageOf(error) });
      return undefined;
    }
    const startedAtMs = clock.now();
    if (!isFirst && this.#lastExit !== undefined) this.#restarts++;
    // Asked to stop while it was being started.
    if (this.#stopping.signal.aborted) this.#process.signal("SIGTERM");
    const ended = new AbortController();
    const probing = this.#keepProbing(this.#process, startedAtMs, ended.signal);
    const end = await this.#process.exited;
    ended.abort();
    await probing;
    this.#process = undefined;
    this.#lastExit = { ...end, startedAtMs, finishedAtMs: clock.now() };
    return this.#lastExit;
  }

  async #keepProbing(process: ContainerProcess, startedAtMs: number, ended: AbortSignal): Promise<void> {
    const { clock, starter } = this.#deps;
    const { readinessProbe } = this.#container;
    const { periodSeconds, failureThreshold } = {
      ...(readinessProbe === undefined ? LISTENING_PROBE : DEFAULT_PROBE),
      ...readinessProbe,
    };
    let isReady = false;
    let failures = 0;
    this.#change({ kind: "running", pid: process.pid, startedAtMs, isReady });
    try {
      const delaySeconds = readinessProbe?.initialDelaySeconds ?? 0;
      if (delaySeconds > 0) await clock.sleep(delaySeconds * 1000, ended);
      for (;;) {
        // A probe that can't be made has failed.
        const isGood = await starter.probe(process, ended).catch(() => false);
        if (ended.aborted) return;
        failures = isGood ? 0 : failures + 1;
        const isReadyNow: boolean = isGood || (isReady && failures < failureThreshold);
        if (isReadyNow !== isReady)
          this.#change({ kind: "running", pid: process.pid, startedAtMs, isReady: isReadyNow });
        isReady = isReadyNow;
        await clock.sleep(isReady ? periodSeconds * 1000 : PROBE_UNREADY_MS, ended);
      }
    } catch (error) {
      if (!ended.aborted) throw error;
    }
  }

  #isRestarted({ code }: ContainerExit): boolean {
    const { restartPolicy } = this.#deps;
    if (this.#stopping.signal.aborted) return false;
    return restartPolicy === "Always" || (restartPolicy === "OnFailure" && code !== 0);
  }

  async #waitForRestart(exit: ContainerExit | undefined): Promise<void> {
    const delayMs = this.#backoff.next();
    if (exit !== undefined) {
      const how = exit.signal === undefined ? `with exit code ${exit.code}` : `by ${exit.signal}`;
      const words = exit.lastWords === undefined ? "wrote nothing" : `its log ends with: ${exit.lastWords}`;
      const message = `back-off ${delayMs / 1000}s before the restart; it ended ${how} and ${words}`;
      this.#change({ kind: "waiting", reason: "CrashLoopBackOff", message });
    }
    await this.#deps.clock.sleep(delayMs, this.#stopping.signal).catch((error: unknown) => {
      if (!this.#stopping.signal.aborted) throw error;
    });
  }

  #change(state: ContainerState): void {
    this.#state = state;
    this.#deps.onChange();
  }
}
