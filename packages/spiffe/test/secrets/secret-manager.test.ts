// SPDX-License-Identifier: Apache-2.0
import { FakeClock, createTestAuthority, type TestAuthority } from "@ambientmesh/testkit";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  SecretManager,
  parseSpiffeId,
  type IssueCertificate,
  type SecretManagerOptions,
  type SpiffeId,
  type Svid,
} from "../../src/index.ts";

const idOf = (name: string): SpiffeId => parseSpiffeId(`spiffe://cluster.local/ns/default/sa/${name}`);
const until = async (condition: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(condition()).toBe(true), { interval: 1 });

const HOUR = 3_600_000;

interface PendingRequest {
  readonly id: SpiffeId;
  readonly signal: AbortSignal;
  sign(ttlSeconds?: number): Promise<void>;
  fail(): void;
}

/** An authority whose answers the test gives one by one. */
class Issuer {
  readonly pending: PendingRequest[] = [];
  asked = 0;
  readonly #authority: TestAuthority;

  constructor(authority: TestAuthority) {
    this.#authority = authority;
  }

  readonly issue: IssueCertificate = async (csrPem, id, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>();
    this.asked++;
    this.pending.push({
      id,
      signal,
      sign: async (ttlSeconds) => {
        const { chain } = await this.#authority.authority.sign({
          csrPem,
          id,
          ...(ttlSeconds !== undefined && { ttlSeconds }),
        });
        resolve(chain);
      },
      fail: () => reject(new Error("the authority is away")),
    });
    return promise;
  };

  /** The next request, once it is there. */
  async next(): Promise<PendingRequest> {
    await until(() => this.pending.length > 0);
    return this.pending.shift() as PendingRequest;
  }

  async sign(ttlSeconds?: number): Promise<void> {
    await (await this.next()).sign(ttlSeconds);
  }

  async fail(): Promise<void> {
    (await this.next()).fail();
  }
}

const web = idOf("web");
let clock: FakeClock;
let issuer: Issuer;
let manager: SecretManager;
let changes: string[];

function start(options: SecretManagerOptions = {}): void {
  manager = new SecretManager({ issue: issuer.issue, clock }, { random: () => 0.5, ...options });
  changes = [];
  manager.subscribe(({ key, before, after }) =>
    changes.push(`${key.split("/").at(-1)} ${before ? "had" : "had none"}, ${after ? "has" : "has none"}`),
  );
}
const stateOf = (id: SpiffeId) => manager.states().find((entry) => entry.id === id)?.state;
const isFailed = () => stateOf(web)?.kind === "Unavailable";

beforeEach(async () => {
  clock = new FakeClock();
  issuer = new Issuer(await createTestAuthority({ clock }));
  start();
});
afterEach(async () => manager[Symbol.asyncDispose]());

describe("one certificate per identity", () => {
  it("is asked for once, however many wait, and then given at once", async () => {
    const waiting = [manager.get(web), manager.get(web), manager.get(web)];
    expect(stateOf(web)).toEqual({ kind: "Initializing", priority: "RealTime" });
    expect(manager.peek(web)).toBeUndefined();
    await issuer.sign();
    const [first, ...rest] = (await Promise.all(waiting)) as [Svid, ...Svid[]];
    expect(rest).toEqual([first, first]);
    expect(first.id).toBe(web);
    expect(await manager.get(web)).toBe(first);
    expect(manager.peek(web)).toBe(first);
    expect(issuer.asked).toBe(1);
    expect(changes).toEqual(["web had none, has"]);
  });

  it("lists states sorted by identity", async () => {
    manager.prefetch(idOf("b"));
    manager.prefetch(idOf("a"));
    expect(manager.states().map(({ id }) => id)).toEqual([idOf("a"), idOf("b")]);
  });

  it("refuses more identities than it may hold", async () => {
    await manager[Symbol.asyncDispose]();
    start({ maxIdentities: 1 });
    expect(manager.prefetch(web)).toBe(true);
    expect(manager.prefetch(web)).toBe(true);
    expect(manager.prefetch(idOf("b"))).toBe(false);
    await expect(manager.get(idOf("b"))).rejects.toMatchObject({ code: "SECRET_LIMIT" });
  });

  it("lets those who wait leave, and goes on", async () => {
    const leaving = new AbortController();
    const left = manager.get(web, { signal: leaving.signal });
    const stayed = manager.get(web, { signal: new AbortController().signal });
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: "ABORTED" });
    await expect(manager.get(web, { signal: leaving.signal })).rejects.toMatchObject({ code: "ABORTED" });
    await issuer.sign();
    expect((await stayed).id).toBe(web);
  });
});

describe("order", () => {
  it("serves those who wait before those who may come, and first come first", async () => {
    await manager[Symbol.asyncDispose]();
    start({ maxConcurrent: 1 });
    manager.prefetch(idOf("running"));
    for (const name of ["warm-1", "warm-2"]) manager.prefetch(idOf(name));
    const waiting = ["now-1", "now-2"].map(async (name) => manager.get(idOf(name)));
    const order: SpiffeId[] = [];
    for (let count = 0; count < 5; count++) {
      const request = await issuer.next();
      order.push(request.id);
      await request.sign();
    }
    expect(order).toEqual(["running", "now-1", "now-2", "warm-1", "warm-2"].map(idOf));
    await Promise.all(waiting);
  });

  it("moves a warm-up to the front when somebody waits for it", async () => {
    await manager[Symbol.asyncDispose]();
    start({ maxConcurrent: 1 });
    for (const name of ["running", "first", "second"]) manager.prefetch(idOf(name));
    const waiting = manager.get(idOf("second"));
    expect(stateOf(idOf("second"))).toEqual({ kind: "Initializing", priority: "RealTime" });
    await issuer.sign();
    const request = await issuer.next();
    expect(request.id).toBe(idOf("second"));
    await request.sign();
    await waiting;
    expect(manager.prefetch(idOf("second"))).toBe(true);
  });

  it("has eight requests on their way at most", async () => {
    for (let at = 0; at < 20; at++) manager.prefetch(idOf(`w${at}`));
    await until(() => issuer.pending.length === 8);
    expect(issuer.asked).toBe(8);
    await issuer.sign();
    await until(() => issuer.asked === 9);
    expect(issuer.pending).toHaveLength(8);
  });
});

describe("renewal", () => {
  it("begins at half of the time that is left and replaces the certificate without a gap", async () => {
    const waiting = manager.get(web);
    await issuer.sign();
    const first = await waiting;
    clock.advance((first.notAfterMs - clock.now()) / 2 - 1);
    expect(issuer.asked).toBe(1);
    clock.advance(1);
    const request = await issuer.next();
    expect(await manager.get(web)).toBe(first);
    await request.sign();
    await until(() => manager.peek(web) !== first);
    expect(manager.peek(web)?.notAfterMs).toBeGreaterThan(first.notAfterMs);
    expect(changes).toEqual(["web had none, has", "web had, has"]);
  });

  it("keeps the last good certificate until it expires, however often renewal fails", async () => {
    await manager[Symbol.asyncDispose]();
    start({ backoff: { initialMs: HOUR, maxMs: HOUR } });
    const waiting = manager.get(web);
    await issuer.sign();
    const svid = await waiting;
    clock.advance(clock.nextTimerInMs as number);
    for (let failures = 1; clock.now() < svid.notAfterMs; failures++) {
      await issuer.fail();
      await until(() => clock.timerCount === 1);
      expect(await manager.get(web)).toBe(svid);
      expect(issuer.asked).toBe(1 + failures);
      clock.advance(clock.nextTimerInMs as number);
    }
    expect(manager.peek(web)).toBe(svid);
    clock.advance(1);
    expect(manager.peek(web)).toBeUndefined();
    await Promise.all([expect(manager.get(web)).rejects.toMatchObject({ code: "SECRET_UNAVAILABLE" }), issuer.fail()]);
    expect(changes).toEqual(["web had none, has", "web had, has none"]);
  });

  it("tries again at expiry even if the back-off would be longer", async () => {
    await manager[Symbol.asyncDispose]();
    start({ backoff: { initialMs: 100 * HOUR, maxMs: 100 * HOUR } });
    const waiting = manager.get(web);
    await issuer.sign();
    const svid = await waiting;
    clock.advance(12 * HOUR);
    await issuer.fail();
    await until(() => clock.timerCount > 0);
    clock.advance(svid.notAfterMs - clock.now());
    await issuer.sign();
    await until(() => manager.peek(web) !== svid);
    expect(manager.peek(web)).toBeDefined();
  });

  // Authorities date certificates back by two minutes: half of the whole validity of these is over at once, or in seconds.
  it.each([30, 130])("of a certificate for %i s comes after half of that, not sooner", async (ttlSeconds) => {
    const waiting = manager.get(web);
    await issuer.sign(ttlSeconds);
    const { notAfterMs } = await waiting;
    expect(notAfterMs - clock.now()).toBeGreaterThan((ttlSeconds - 1) * 1000);
    clock.advance((ttlSeconds * 1000) / 2 - 1000);
    expect(issuer.asked).toBe(1);
    clock.advance(1000);
    await until(() => issuer.asked === 2);
  });

  it("does not renew in a tight loop what arrives shortly before it expires", async () => {
    const material = (await createTestAuthority({ clock })).authority.material;
    clock.advance(3650 * 24 * HOUR - 10_000);
    issuer = new Issuer(await createTestAuthority({ clock, material }));
    await manager[Symbol.asyncDispose]();
    start();
    const waiting = manager.get(web);
    await issuer.sign();
    const { notAfterMs } = await waiting;
    expect(notAfterMs - clock.now()).toBeLessThanOrEqual(10_000);
    clock.advance(1000);
    expect(issuer.asked).toBe(1);
    clock.advance(4000);
    await until(() => issuer.asked === 2);
  });

  it("survives timers that fire early", async () => {
    const waiting = manager.get(web);
    await issuer.sign();
    await waiting;
    const early = new FakeClock(clock.now());
    vi.spyOn(clock, "now").mockImplementation(() => early.now());
    clock.advance(12 * HOUR);
    expect(issuer.asked).toBe(1);
    expect(clock.timerCount).toBe(1);
  });
});

describe("failure", () => {
  it("is told to all who wait and remembered for those who come, who cause no request", async () => {
    const waiting = [manager.get(web), manager.get(web)];
    const told = Promise.allSettled(waiting);
    await issuer.fail();
    const reason = expect.objectContaining({ code: "SECRET_UNAVAILABLE", retryable: true }) as Error;
    expect(await told).toEqual([
      { status: "rejected", reason },
      { status: "rejected", reason },
    ]);
    await expect(manager.get(web)).rejects.toThrow(`no certificate of ${web}: the authority is away`);
    expect(stateOf(web)?.kind).toBe("Unavailable");
    expect(issuer.asked).toBe(1);
  });

  it("is followed by tries after 1, 2, 4 ... 150 s, and by 1 s again after a success", async () => {
    manager.prefetch(web);
    const delays: (number | undefined)[] = [];
    for (let tries = 1; tries <= 10; tries++) {
      await issuer.fail();
      await until(() => clock.timerCount === 1);
      delays.push(clock.nextTimerInMs);
      clock.advance(clock.nextTimerInMs as number);
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 150, 150].map((seconds) => seconds * 1000));
    await issuer.sign();
    await until(() => manager.peek(web) !== undefined);
    clock.advance(clock.nextTimerInMs as number);
    await issuer.fail();
    await until(() => clock.timerCount === 1);
    expect(clock.nextTimerInMs).toBe(1000);
  });

  it.each([
    [0, 800],
    [0.999, 1199.6],
  ])("spreads tries by up to a fifth (%s)", async (random, delayMs) => {
    await manager[Symbol.asyncDispose]();
    start({ random: () => random });
    manager.prefetch(web);
    await issuer.fail();
    await until(isFailed);
    expect(clock.nextTimerInMs).toBeCloseTo(delayMs, 3);
  });

  it("is also an answer that is for somebody else, has no roots, or has expired", async () => {
    const other = await createTestAuthority({ clock: new FakeClock(0) });
    const answers: IssueCertificate[] = [
      async (csrPem, _id, signal) => (await createTestAuthority()).issue(csrPem, idOf("other"), signal),
      async () => [],
      async (csrPem, id, signal) => other.issue(csrPem, id, signal),
    ];
    const problems = ["got a certificate of", "has 0 elements", "has expired already"];
    for (const [at, issue] of answers.entries()) {
      await using strict = new SecretManager({ issue, clock });
      await expect(strict.get(web)).rejects.toThrow(problems[at]);
    }
  });

  it("of a listener does not stop the others", async () => {
    manager.subscribe(() => {
      throw new Error("a listener broke");
    });
    const heard = vi.fn();
    const subscription = manager.subscribe(heard);
    const waiting = manager.get(web);
    await issuer.sign();
    await waiting;
    expect(heard).toHaveBeenCalledTimes(1);
    subscription[Symbol.dispose]();
    manager.forget(web);
    expect(heard).toHaveBeenCalledTimes(1);
  });
});

describe("forgetting", () => {
  it("drops the certificate and its timer at once", async () => {
    const waiting = manager.get(web);
    await issuer.sign();
    await waiting;
    manager.forget(web);
    manager.forget(web);
    expect(manager.states()).toEqual([]);
    expect(clock.timerCount).toBe(0);
    expect(changes).toEqual(["web had none, has", "web had, has none"]);
  });

  it("withdraws a request on its way, and its answer is not taken for a new one", async () => {
    const waiting = manager.get(web);
    const request = await issuer.next();
    manager.forget(web);
    await expect(waiting).rejects.toMatchObject({ code: "SECRET_FORGOTTEN" });
    expect(request.signal.aborted).toBe(true);
    const again = manager.get(web);
    const second = await issuer.next();
    await request.sign();
    await second.sign();
    expect(await again).toBe(manager.peek(web));
    expect(changes).toEqual(["web had none, has"]);
  });

  it("takes a waiting identity out of the queue", async () => {
    await manager[Symbol.asyncDispose]();
    start({ maxConcurrent: 1 });
    manager.prefetch(idOf("running"));
    manager.prefetch(web);
    manager.forget(web);
    await issuer.sign();
    await until(() => manager.peek(idOf("running")) !== undefined);
    expect(issuer.asked).toBe(1);
  });
});

describe("closing", () => {
  it("tells those who wait, withdraws requests and leaves no timer", async () => {
    const signed = manager.get(idOf("signed"));
    await issuer.sign();
    await signed;
    const waiting = manager.get(web);
    const request = await issuer.next();
    await Promise.all([
      expect(waiting).rejects.toMatchObject({ code: "SECRET_CLOSED" }),
      manager[Symbol.asyncDispose](),
    ]);
    expect(request.signal.aborted).toBe(true);
    expect(clock.timerCount).toBe(0);
    await expect(manager.get(web)).rejects.toMatchObject({ code: "SECRET_CLOSED" });
    expect(manager.prefetch(idOf("late"))).toBe(false);
  });
});
