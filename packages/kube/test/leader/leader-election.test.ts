// SPDX-License-Identifier: Apache-2.0
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { RESOURCES, electLeader, kubeErrors, type KubeClient } from "../../src/index.ts";
import { eventually } from "../support/eventually.ts";
import { startLocal, type LocalFixture } from "../support/local.ts";
import { passTime } from "../support/pass-time.ts";

const LEASE = { namespace: "default", name: "leader" };
const OPTIONS = { ...LEASE, leaseMs: 30_000 };

interface Candidate extends AsyncDisposable {
  readonly isLeader: () => boolean;
  readonly reigns: AbortSignal[];
  /** What its calls meet: undefined lets them through. */
  fault: Error | undefined;
}

function candidate(kube: LocalFixture, clock: FakeClock, identity: string): Candidate {
  const reigns: AbortSignal[] = [];
  const self: { fault: Error | undefined } = { fault: undefined };
  const guarded =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    (...args: A): Promise<R> =>
      self.fault === undefined ? call(...args) : Promise.reject(self.fault);
  const client = {
    find: guarded(kube.client.find.bind(kube.client)),
    create: guarded(kube.client.create.bind(kube.client)),
    replace: guarded(kube.client.replace.bind(kube.client)),
  } as unknown as KubeClient;
  const election = electLeader({ ...OPTIONS, identity }, { client, clock }, async (signal) => {
    reigns.push(signal);
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  });
  return Object.assign(self, {
    isLeader: () => election.isLeader,
    reigns,
    [Symbol.asyncDispose]: () => election[Symbol.asyncDispose](),
  });
}

const holderOf = async ({ client }: LocalFixture): Promise<string | undefined> =>
  (await client.find(RESOURCES.Lease, LEASE))?.spec?.holderIdentity;

describe("leader election", () => {
  it("lets one lead, who renews, and hands over at once when it goes", async () => {
    await using kube = await startLocal();
    const clock = new FakeClock();
    const a = candidate(kube, clock, "a");
    await passTime(clock, a.isLeader);
    await using b = candidate(kube, clock, "b");
    const began = clock.monotonicMs();
    await passTime(clock, () => clock.monotonicMs() - began > 120_000);
    expect(b.isLeader()).toBe(false);
    expect(await holderOf(kube)).toBe("a");
    const lease = await kube.client.get(RESOURCES.Lease, LEASE);
    expect(Date.parse(lease.spec?.renewTime ?? "")).toBeGreaterThan(
      Date.parse(lease.spec?.acquireTime ?? "") + 100_000,
    );
    expect(lease.spec?.acquireTime).toMatch(/\.\d{6}Z$/);

    await a[Symbol.asyncDispose]();
    expect(a.reigns.map((signal) => signal.aborted)).toEqual([true]);
    const left = clock.monotonicMs();
    await passTime(clock, b.isLeader);
    expect(clock.monotonicMs() - left).toBeLessThan(15_000);
    expect((await kube.client.get(RESOURCES.Lease, LEASE)).spec).toMatchObject({
      holderIdentity: "b",
      leaseTransitions: 1,
    });
  });

  it("never has two leaders when one is cut off", async () => {
    await using kube = await startLocal();
    const clock = new FakeClock();
    await using a = candidate(kube, clock, "a");
    await passTime(clock, a.isLeader);
    await using b = candidate(kube, clock, "b");
    await passTime(clock, () => clock.monotonicMs() > 60_000);
    a.fault = kubeErrors.create("KUBE_UNAVAILABLE", "cut off", { retryable: true });
    const cutMs = clock.monotonicMs();
    let stoppedMs: number | undefined;
    await passTime(clock, () => {
      if (!a.isLeader()) stoppedMs ??= clock.monotonicMs();
      expect(a.isLeader() && b.isLeader()).toBe(false);
      return b.isLeader();
    });
    expect((stoppedMs ?? 0) - cutMs).toBeLessThanOrEqual(15_000 + 7500);
    expect(clock.monotonicMs() - cutMs).toBeGreaterThanOrEqual(30_000 - 7500);
    expect(a.reigns[0]?.aborted).toBe(true);
  });

  it("leads again after a fault that was shorter than the lease", async () => {
    await using kube = await startLocal();
    const clock = new FakeClock();
    await using a = candidate(kube, clock, "a");
    await passTime(clock, a.isLeader);
    a.fault = kubeErrors.create("KUBE_UNAVAILABLE", "a short fault");
    await passTime(clock, () => !a.isLeader());
    a.fault = undefined;
    await passTime(clock, a.isLeader);
    await eventually(() => a.reigns.length === 2);
    expect((await kube.client.get(RESOURCES.Lease, LEASE)).spec?.leaseTransitions).toBeLessThanOrEqual(1);
  });

  it("steps down when another took the lease by force", async () => {
    await using kube = await startLocal();
    const clock = new FakeClock();
    await using a = candidate(kube, clock, "a");
    await passTime(clock, a.isLeader);
    await kube.client.mergePatch(RESOURCES.Lease, LEASE, { spec: { holderIdentity: "usurper" } });
    await passTime(clock, () => !a.isLeader());
    expect(a.reigns[0]?.aborted).toBe(true);
    expect(await holderOf(kube)).toBe("usurper");
  });
});
