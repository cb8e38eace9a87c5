// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { ResourceStore } from "../../src/index.ts";
import { PushScheduler, type PushJob } from "../../src/server/push-scheduler.ts";
import { SharedPlans } from "../../src/server/shared-plans.ts";
import { StreamLimiter } from "../../src/server/stream-limiter.ts";
import { IDLE, YIELD, type Step } from "../../src/server/subscription.ts";
import { TypeQueue, type QueuedType } from "../../src/server/type-queue.ts";
import { TEXT } from "../support/texts.ts";

describe("the stream limiter", () => {
  test.each<[string, number, number, readonly (number | undefined)[]]>([
    ["lets a burst through, then spreads", 4, 1000, [0, 0, 0, 0, 250, 500, 750, 1000, undefined, undefined]],
    ["refuses who would wait too long", 1, 0, [0, undefined]],
    ["limits below one per second", 0.5, 3000, [0, 2000, undefined]],
  ])("%s", (_, perSecond, maxWaitMs, expected) => {
    const limiter = new StreamLimiter({ perSecond, maxWaitMs }, 0);
    expect(expected.map(() => limiter.reserve(0))).toEqual(expected);
  });

  it("refills with time, up to the burst", () => {
    const limiter = new StreamLimiter({ perSecond: 2, maxWaitMs: 0 }, 0);
    expect([limiter.reserve(0), limiter.reserve(0), limiter.reserve(0)]).toEqual([0, 0, undefined]);
    expect([limiter.reserve(500), limiter.reserve(500)]).toEqual([0, undefined]);
    expect([limiter.reserve(60_000), limiter.reserve(60_000), limiter.reserve(60_000)]).toEqual([0, 0, undefined]);
  });
});

describe("the type queue", () => {
  class FakeType implements QueuedType {
    readonly view = { head: 0 };
    readonly rank: number;
    readonly name: string;
    sent = 0;
    readonly perStep: number;

    constructor(name: string, rank: number, perStep = 100) {
      this.name = name;
      this.rank = rank;
      this.perStep = perStep;
    }

    next(until: number): Step {
      if (this.sent >= until) return IDLE;
      this.sent = Math.min(until, this.sent + this.perStep);
      return { kind: "response", size: 1, resources: 1, removed: 0, send: () => Buffer.from(this.name) };
    }
  }

  const run = (queue: TypeQueue<FakeType>, between: (step: number) => void = () => {}): string[] => {
    const order: string[] = [];
    for (let at = 0; ; at++) {
      const next = queue.next();
      if (!next) return order;
      order.push(`${next.type.name}@${next.type.sent}`);
      between(at);
    }
  };

  it("serves by rank, whatever the order of arrival, each type wholly before the next", () => {
    const [late, early] = [new FakeType("late", 2), new FakeType("early", 1, 10)];
    late.view.head = 5;
    early.view.head = 25;
    const queue = new TypeQueue<FakeType>();
    queue.add(late);
    queue.add(early);
    expect(run(queue)).toEqual(["early@10", "early@20", "early@25", "late@5"]);
  });

  it("leaves what changes during a pass to the next one, so that no type waits for ever", () => {
    const [busy, calm] = [new FakeType("busy", 1, 10), new FakeType("calm", 2)];
    busy.view.head = 10;
    calm.view.head = 1;
    const queue = new TypeQueue<FakeType>();
    queue.add(busy);
    queue.add(calm);
    const order = run(queue, (step) => {
      if (step < 5) busy.view.head += 10;
    });
    expect(order.slice(0, 3)).toEqual(["busy@10", "calm@1", "busy@20"]);
    expect(order.at(-1)).toBe("busy@60");
  });

  it("takes a type that comes during a pass into it unless that is past its rank", () => {
    const types = ["first", "second", "third"].map((name, rank) => new FakeType(name, rank, 1));
    const [first, second, third] = types as [FakeType, FakeType, FakeType];
    for (const type of types) type.view.head = 2;
    const queue = new TypeQueue<FakeType>();
    queue.add(second);
    const order = run(queue, (step) => {
      if (step === 0) queue.add(third);
      if (step === 2) queue.add(first);
    });
    expect(order).toEqual(["second@1", "second@2", "third@1", "third@2", "first@1", "first@2"]);
  });

  it("passes on that a type needs another turn", () => {
    const queue = new TypeQueue<QueuedType>();
    queue.add({ rank: 1, view: { head: 1 }, next: () => YIELD });
    expect(queue.next()?.step).toBe(YIELD);
  });
});

describe("the push scheduler", () => {
  interface Harness {
    readonly scheduler: PushScheduler;
    readonly turns: (() => void)[];
    now: number;
  }

  function harness(options: { sliceMs?: number; maxBytesInFlight?: number } = {}): Harness {
    const turns: (() => void)[] = [];
    const state = { now: 0, turns };
    const scheduler = new PushScheduler({ monotonicMs: () => state.now, defer: (turn) => turns.push(turn) }, options);
    return Object.assign(state, { scheduler });
  }

  it("runs each job once per scheduling, in order, in slices", () => {
    const test = harness({ sliceMs: 5 });
    const ran: number[] = [];
    const jobs = Array.from({ length: 7 }, (_, at) => ({
      push: () => {
        ran.push(at);
        test.now += 2;
      },
    }));
    for (const job of [...jobs, ...jobs]) test.scheduler.schedule(job);
    expect(ran).toEqual([]);
    const perTurn: number[] = [];
    for (let turn = test.turns.shift(); turn; turn = test.turns.shift()) {
      const before = ran.length;
      turn();
      perTurn.push(ran.length - before);
    }
    expect(ran).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(perTurn).toEqual([3, 3, 1]);
  });

  it("leaves out what was cancelled", () => {
    const { scheduler, turns } = harness();
    const ran: string[] = [];
    const gone = { push: () => ran.push("gone") };
    scheduler.schedule(gone);
    scheduler.schedule({ push: () => ran.push("there") });
    scheduler.cancel(gone);
    turns.shift()?.();
    expect(ran).toEqual(["there"]);
  });

  it("holds big responses back when many bytes are on their way, and wakes those who wait one by one", () => {
    const MiB = 1 << 20;
    const { scheduler, turns } = harness({ maxBytesInFlight: 4 * MiB });
    const got: string[] = [];
    const job = (name: string): PushJob => {
      const self: PushJob = { push: () => void (scheduler.acquire(3 * MiB, self) && got.push(name)) };
      return self;
    };
    const jobs = ["a", "b", "c"].map(job);
    for (const each of jobs) scheduler.schedule(each);
    const run = (): void => {
      for (let turn = turns.shift(); turn; turn = turns.shift()) turn();
    };
    run();
    expect(got).toEqual(["a"]);
    expect(scheduler.acquire(1000, { push: () => {} })).toBe(true);
    scheduler.release(1000);
    run();
    expect(got).toEqual(["a"]);
    scheduler.release(3 * MiB);
    run();
    expect(got).toEqual(["a", "b"]);
    scheduler.release(3 * MiB);
    run();
    expect(got).toEqual(["a", "b", "c"]);
    expect(scheduler.bytesInFlight).toBe(3 * MiB);
  });

  it("does not strand those who wait when the one that was woken goes away", () => {
    const MiB = 1 << 20;
    const { scheduler, turns } = harness({ maxBytesInFlight: MiB });
    const got: string[] = [];
    const job = (name: string): PushJob => {
      const self: PushJob = { push: () => void (scheduler.acquire(MiB, self) && got.push(name)) };
      return self;
    };
    const [first, second, third] = ["1", "2", "3"].map(job) as [PushJob, PushJob, PushJob];
    const run = (): void => {
      for (let turn = turns.shift(); turn; turn = turns.shift()) turn();
    };
    for (const each of [first, second, third]) scheduler.schedule(each);
    run();
    scheduler.release(MiB);
    scheduler.cancel(second);
    run();
    expect(got).toEqual(["1", "3"]);
  });
});

describe("shared plans", () => {
  it("are made once per view and key, and bounded by bytes", () => {
    const [one, two] = [new ResourceStore(TEXT), new ResourceStore(TEXT)];
    const plans = new SharedPlans<{ size: number }>(100);
    const made: string[] = [];
    const get = (view: ResourceStore, key: string, size = 40): void => {
      plans.get(view, key, () => {
        made.push(key);
        return { size };
      });
    };
    get(one, "k");
    get(one, "k");
    get(two, "k");
    expect(made).toEqual(["k", "k"]);
    get(two, "l");
    expect(plans.bytes).toBe(80);
    get(one, "k");
    expect(made).toEqual(["k", "k", "l", "k"]);
    get(one, "huge", 1000);
    expect(plans.bytes).toBe(80);
  });
});
