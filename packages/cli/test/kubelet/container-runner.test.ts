// SPDX-License-Identifier: Apache-2.0
import type { Container, PodSpec } from "@ambientmesh/api/kubernetes";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { ContainerRunner, type ContainerProcess } from "../../src/local/kubelet/container-runner.ts";
import { settle } from "../support/objects.ts";

/** A program under the test's control. */
class Program implements ContainerProcess {
  readonly pid: number;
  readonly signals: NodeJS.Signals[] = [];
  readonly #end = Promise.withResolvers<{ code: number; signal: NodeJS.Signals | undefined }>();

  constructor(pid: number) {
    this.pid = pid;
  }

  get exited(): ContainerProcess["exited"] {
    return this.#end.promise;
  }

  signal(signal: NodeJS.Signals): void {
    this.signals.push(signal);
    if (signal === "SIGKILL") this.end(137, signal);
  }

  end(code: number, signal?: NodeJS.Signals): void {
    this.#end.resolve({ code, signal });
  }
}

class Bench {
  readonly clock = new FakeClock(0);
  readonly programs: Program[] = [];
  startProblem: string | undefined;
  serves = true;
  readonly runner: ContainerRunner;
  readonly ended: Promise<void>;

  constructor(restartPolicy: NonNullable<PodSpec["restartPolicy"]> = "Always", container: Partial<Container> = {}) {
    this.runner = new ContainerRunner(
      { name: "app", ...container },
      {
        clock: this.clock,
        restartPolicy,
        onChange: () => {},
        starter: {
          start: async () => {
            if (this.startProblem !== undefined) throw new Error(this.startProblem);
            const program = new Program(100 + this.programs.length);
            this.programs.push(program);
            return program;
          },
          probe: async () => this.serves,
        },
      },
    );
    this.ended = this.runner.run();
  }

  get last(): Program {
    return this.programs.at(-1) as Program;
  }

  /** Moves the time on in small steps, so that what timers start gets its turn. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.advance(Math.min(left, 100));
      await settle();
    }
  }
}

describe("a container", () => {
  it("is ready when its program serves, and not while it does not", async () => {
    const bench = new Bench();
    bench.serves = false;
    await settle();
    expect(bench.runner.record.state).toMatchObject({ kind: "running", pid: 100, isReady: false });
    bench.serves = true;
    await bench.pass(200);
    expect(bench.runner.record.state).toMatchObject({ isReady: true });
    bench.serves = false;
    await bench.pass(1000);
    expect(bench.runner.record.state).toMatchObject({ isReady: false });
  });

  it("follows the delays and thresholds of its probe", async () => {
    const readinessProbe = { tcpSocket: { port: 80 }, initialDelaySeconds: 2, periodSeconds: 1, failureThreshold: 2 };
    const bench = new Bench("Always", { readinessProbe });
    await bench.pass(1900);
    expect(bench.runner.record.state).toMatchObject({ isReady: false });
    await bench.pass(200);
    expect(bench.runner.record.state).toMatchObject({ isReady: true });
    bench.serves = false;
    await bench.pass(1000);
    expect(bench.runner.record.state).toMatchObject({ isReady: true });
    await bench.pass(1000);
    expect(bench.runner.record.state).toMatchObject({ isReady: false });
  });

  it("is restarted after growing delays, which a good run forgets", async () => {
    const bench = new Bench();
    await settle();
    for (const delayMs of [1000, 2000, 4000]) {
      bench.last.end(1);
      await settle();
      expect(bench.runner.record).toMatchObject({
        state: {
          kind: "waiting",
          reason: "CrashLoopBackOff",
          message: expect.stringContaining(`${delayMs / 1000}s`) as string,
        },
        lastExit: { code: 1 },
      });
      const before = bench.programs.length;
      await bench.pass(delayMs - 100);
      expect(bench.programs.length).toBe(before);
      await bench.pass(100);
      expect(bench.programs.length).toBe(before + 1);
    }
    expect(bench.runner.record).toMatchObject({ restarts: 3, state: { kind: "running", pid: 103 } });
    await bench.pass(60_000);
    bench.last.end(0);
    await settle();
    expect(bench.runner.record.state).toMatchObject({ message: expect.stringContaining("back-off 1s") as string });
  });

  it("says why its program can't be started, and tries again", async () => {
    const bench = new Bench();
    bench.startProblem = 'the program "nosuch" is not on the PATH /bin';
    await settle();
    // The first start went well; this is the next one.
    bench.last.end(0);
    await settle();
    await bench.pass(1000);
    expect(bench.runner.record.state).toEqual({
      kind: "waiting",
      reason: "CreateContainerError",
      message: 'the program "nosuch" is not on the PATH /bin',
    });
    bench.startProblem = undefined;
    await bench.pass(2000);
    expect(bench.runner.record).toMatchObject({ restarts: 1, state: { kind: "running" } });
  });

  it.each([
    ["Never", 0, "ended"],
    ["Never", 1, "ended"],
    ["OnFailure", 0, "ended"],
    ["OnFailure", 1, "waiting"],
    ["Always", 0, "waiting"],
  ] as const)("with restart policy %s and exit code %i is %s", async (policy, code, kind) => {
    const bench = new Bench(policy);
    await settle();
    bench.last.end(code);
    await settle();
    expect(bench.runner.record.state.kind).toBe(kind);
  });

  it("is asked to end, then made to", async () => {
    const bench = new Bench();
    await settle();
    bench.runner.stop();
    expect(bench.last.signals).toEqual(["SIGTERM"]);
    bench.runner.kill();
    await bench.ended;
    expect(bench.runner.record.state).toMatchObject({ kind: "ended", exit: { code: 137, signal: "SIGKILL" } });
    expect(bench.clock.timerCount).toBe(0);
  });

  it("is not started again once it was asked to end, also while it waits for that", async () => {
    const bench = new Bench();
    await settle();
    bench.last.end(1);
    await settle();
    bench.runner.stop();
    await bench.ended;
    expect(bench.programs.length).toBe(1);
    expect(bench.clock.timerCount).toBe(0);
  });

  it("asks a program to end that was being started meanwhile", async () => {
    const bench = new Bench();
    bench.runner.stop();
    await settle();
    expect(bench.programs.flatMap(({ signals }) => signals)).toEqual(bench.programs.map(() => "SIGTERM"));
    bench.runner.kill();
    await bench.ended;
  });
});
