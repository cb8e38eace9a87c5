// SPDX-License-Identifier: Apache-2.0
import type { Pod, PodStatus } from "@ambientmesh/api/kubernetes";
import { silentLogger } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { PodWorker, type Sandbox } from "../../src/local/kubelet/pod-worker.ts";
import { pod, settle } from "../support/objects.ts";

class Bench {
  readonly clock = new FakeClock(0);
  readonly statuses: PodStatus[] = [];
  readonly warnings: string[] = [];
  readonly signals: NodeJS.Signals[] = [];
  sandboxProblem: string | undefined;
  sandboxes = 0;
  disposed = 0;
  /** Ends the running program. */
  end: (code: number) => void = () => {};
  /** The program ends when it is asked to. */
  isObedient = true;

  work(podToRun: Pod): PodWorker {
    return new PodWorker(podToRun, {
      clock: this.clock,
      logger: silentLogger,
      hostIp: "10.99.0.11",
      publish: (_pod, status) => void this.statuses.push(status),
      warn: (_pod, reason, message) => void this.warnings.push(`${reason}: ${message}`),
      createSandbox: async () => this.#createSandbox(),
    });
  }

  get status(): PodStatus {
    return this.statuses.at(-1) as PodStatus;
  }

  #createSandbox(): Sandbox {
    this.sandboxes++;
    if (this.sandboxProblem !== undefined) throw new Error(this.sandboxProblem);
    return {
      podIp: "10.244.1.2",
      starterFor: () => ({
        probe: async () => true,
        start: async () => {
          const { promise, resolve } = Promise.withResolvers<{ code: number; signal: undefined }>();
          this.end = (code) => resolve({ code, signal: undefined });
          return {
            pid: 42,
            exited: promise,
            signal: (signal) => {
              this.signals.push(signal);
              if (this.isObedient || signal === "SIGKILL") this.end(0);
            },
          };
        },
      }),
      [Symbol.asyncDispose]: async () => void this.disposed++,
    };
  }
}

const conditionOf = ({ conditions = [] }: PodStatus, type: string): string | undefined =>
  conditions.find((condition) => condition.type === type)?.status;

describe("a pod", () => {
  it("goes from Pending to Running and ready, with its address and process", async () => {
    const bench = new Bench();
    const worker = bench.work(pod("shop/cart"));
    await settle();
    expect(bench.statuses[0]).toMatchObject({
      phase: "Pending",
      hostIP: "10.99.0.11",
      containerStatuses: [{ name: "app", ready: false, state: { waiting: { reason: "ContainerCreating" } } }],
    });
    expect(bench.status).toMatchObject({
      phase: "Running",
      podIP: "10.244.1.2",
      podIPs: [{ ip: "10.244.1.2" }],
      containerStatuses: [{ ready: true, restartCount: 0, containerID: "local://42", state: { running: {} } }],
    });
    expect(conditionOf(bench.status, "Ready")).toBe("True");
    expect(worker.pids).toEqual([42]);
    worker.stop(1000);
    await worker.ended;
    expect(bench.signals).toEqual(["SIGTERM"]);
    expect(bench.disposed).toBe(1);
    expect(bench.clock.timerCount).toBe(0);
  });

  it("keeps the times of conditions that do not change", async () => {
    const bench = new Bench();
    const worker = bench.work(pod("shop/cart"));
    await settle();
    const before = bench.status.conditions;
    bench.clock.advance(60_000);
    await settle();
    bench.end(1);
    await settle();
    const times = (status: PodStatus["conditions"]): readonly (string | undefined)[] =>
      (status ?? []).map(({ lastTransitionTime }) => lastTransitionTime);
    expect(times(before)).toEqual(Array.from({ length: 4 }, () => "1970-01-01T00:00:00Z"));
    expect(times(bench.status.conditions).slice(0, 2)).toEqual(times(before).slice(0, 2));
    expect(times(bench.status.conditions).slice(2)).toEqual(["1970-01-01T00:01:00Z", "1970-01-01T00:01:00Z"]);
    worker.stop(0);
    await worker.ended;
  });

  it("waits with a reason while its surroundings can't be made, and tries again", async () => {
    const bench = new Bench();
    bench.sandboxProblem = "waits for ConfigMap shop/settings, which is not there yet";
    const worker = bench.work(pod("shop/cart"));
    await settle();
    expect(bench.status.containerStatuses?.[0]?.state?.waiting).toEqual({
      reason: "ContainerCreating",
      message: bench.sandboxProblem,
    });
    expect(bench.warnings).toEqual([`FailedCreatePodSandBox: ${bench.sandboxProblem}`]);
    bench.sandboxProblem = undefined;
    bench.clock.advance(1000);
    await settle();
    expect(bench.status.phase).toBe("Running");
    worker.stop(0);
    await worker.ended;
  });

  it("ends while its surroundings can't be made", async () => {
    const bench = new Bench();
    bench.sandboxProblem = "no";
    const worker = bench.work(pod("shop/cart"));
    await settle();
    worker.stop(30_000);
    await worker.ended;
    expect(bench.clock.timerCount).toBe(0);
  });

  it("stays Pending with the names of the fields that local mode can't do", async () => {
    const bench = new Bench();
    const worker = bench.work(pod("shop/cart", { spec: { containers: [{ name: "app", image: "nginx" }] } }));
    await settle();
    expect(bench.status).toMatchObject({
      phase: "Pending",
      containerStatuses: [
        {
          state: {
            waiting: {
              reason: "CreateContainerConfigError",
              message: "spec.containers[0].command: local mode runs programs, not images; name the program to run",
            },
          },
        },
      ],
    });
    expect(bench.sandboxes).toBe(0);
    worker.stop(0);
    await worker.ended;
  });

  it.each([
    [0, "Succeeded"],
    [3, "Failed"],
  ])("that ends by itself with %i is %s, and gives its surroundings back", async (code, phase) => {
    const bench = new Bench();
    const worker = bench.work(pod("shop/job", { spec: { restartPolicy: "Never" } }));
    await settle();
    bench.end(code);
    await settle();
    expect(bench.status).toMatchObject({ phase, containerStatuses: [{ state: { terminated: { exitCode: code } } }] });
    expect(bench.disposed).toBe(1);
    worker.stop(0);
    await worker.ended;
  });

  it("is killed when its grace is over, and a shorter grace counts", async () => {
    const bench = new Bench();
    bench.isObedient = false;
    const worker = bench.work(pod("shop/cart"));
    await settle();
    worker.stop(30_000);
    bench.clock.advance(1000);
    worker.stop(60_000);
    worker.stop(5000);
    bench.clock.advance(4900);
    await settle();
    expect(bench.signals).toEqual(["SIGTERM"]);
    bench.clock.advance(100);
    await worker.ended;
    expect(bench.signals).toEqual(["SIGTERM", "SIGKILL"]);
  });
});
