// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/enroller.test.ts
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { noMetrics, silentLogger } from "@ambientmesh/core";
import { createNetns, openNetns, NetworkPlan, type Netns } from "@ambientmesh/linux";
import { FakeClock, canUseNetns } from "@ambientmesh/testkit";
import { Enroller } from "../../src/enrolment/enroller.ts";
import type { PodRules, Redirection } from "../../src/redirection/redirection.ts";
import type { OfferOutcome } from "../../src/zds/zds-server.ts";
import { PodProxy } from "../support/pod-proxy.ts";

const RULES: PodRules = {
  hasInboundCapture: true,
  hasDnsCapture: false,
  outboundInterfaces: [],
  hasIpv6: true,
  probeSource: { v4: "169.254.7.127", v6: "fd16::1" },
  hasProbeHopCheck: false,
};
const WORKLOAD = { uid: "u", name: "a", namespace: "shop", serviceAccount: "default" };

describe.runIf(canUseNetns(process.env))("the order of steps", () => {
  let sandbox: Netns;
  let proxy: PodProxy;
  let clock: FakeClock;
  let steps: string[];
  let failing: string | undefined;
  let offer: OfferOutcome;
  let enroller: Enroller;

  beforeEach(async () => {
    sandbox = createNetns();
    await new NetworkPlan().loopback(sandbox).apply();
    proxy = new PodProxy(sandbox);
    await proxy.start();
    clock = new FakeClock();
    steps = [];
    failing = undefined;
    offer = { kind: "acked" };
    const step = async (name: string): Promise<void> => {
      steps.push(name);
      if (failing === name) throw new Error(`${name} failed`);
    };
    const redirection: Redirection = {
      name: "noted",
      apply: () => step("apply"),
      inspect: async () => "intact",
      fingerprint: () => undefined,
      release: () => step("release"),
      remove: () => step("remove"),
    };
    const zds = {
      add: async () => {
        steps.push("add");
        return offer;
      },
      expect: () => void steps.push("expect"),
      remove: () => step("del"),
    };
    enroller = new Enroller(
      { zds, redirection, clock, logger: silentLogger, metrics: noMetrics },
      { announceMs: 2000, drainMs: 5000 },
    );
  });
  afterEach(async () => {
    enroller[Symbol.dispose]();
    await proxy[Symbol.asyncDispose]();
    sandbox[Symbol.dispose]();
  });

  const open = (): Netns => openNetns(sandbox.path);

  async function enrolled(): Promise<Netns> {
    const netns = open();
    expect(await enroller.enrol(WORKLOAD, netns, RULES)).toEqual({ kind: "enrolled" });
    steps.length = 0;
    return netns;
  }

  /** Goes on with leaving until it has to wait. */
  async function leave(): Promise<unknown> {
    return enroller.leave("u");
  }

  it("has the proxy listen before anything is redirected to it", async () => {
    const netns = open();
    await enroller.enrol(WORKLOAD, netns, RULES);
    expect(steps).toEqual(["del", "add", "apply"]);
    expect(enroller.ownerOf(sandbox)).toBe("u");
  });

  test.each<OfferOutcome>([
    { kind: "not-connected" },
    { kind: "lost" },
    { kind: "silent" },
    { kind: "refused", reason: "no" },
  ])("touches nothing where the proxy is not there: %j", async (outcome) => {
    offer = outcome;
    const netns = open();
    const result = await enroller.enrol(WORKLOAD, netns, RULES);
    expect(result).toMatchObject({ kind: "pending", error: { retryable: true } });
    expect(steps).toEqual(["del", "add", "del"]);
    expect(enroller.get("u")).toBeUndefined();
    expect(() => netns.fd).toThrow(/closed/);
  });

  it("takes everything back when rules can't be applied", async () => {
    failing = "apply";
    const netns = open();
    await expect(enroller.enrol(WORKLOAD, netns, RULES)).rejects.toThrow("apply failed");
    expect(steps).toEqual(["del", "add", "apply", "remove", "del"]);
    expect(enroller.get("u")).toBeUndefined();
    expect(() => netns.fd).toThrow(/closed/);
  });

  it("redirects nothing while a listener is missing", async () => {
    await expect(enroller.enrol(WORKLOAD, open(), { ...RULES, hasDnsCapture: true })).rejects.toMatchObject({
      code: "CNI_LISTENERS_MISSING",
      details: { missing: [15_053] },
    });
    expect(steps).toEqual(["del", "add", "del"]);
  });

  it("keeps the old rules in force when new ones can't be applied", async () => {
    await enrolled();
    failing = "apply";
    const changed = { ...RULES, outboundInterfaces: ["tap0"] };
    await expect(enroller.maintain("u", changed)).rejects.toThrow("apply failed");
    expect(enroller.get("u")?.rules).toEqual(RULES);
    failing = undefined;
    expect(await enroller.maintain("u", changed)).toEqual({ kind: "enrolled" });
    expect(steps).toEqual(["apply", "apply"]);
    expect(enroller.get("u")?.rules).toEqual(changed);
  });

  it("lets others know, new connections pass, old ones end, and only then removes what translates them", async () => {
    const netns = await enrolled();
    expect(await leave()).toEqual({ kind: "again", afterMs: 2000 });
    clock.advance(1500);
    expect(await leave()).toEqual({ kind: "again", afterMs: 500 });
    expect(steps).toEqual([]);
    clock.advance(500);
    expect(await leave()).toEqual({ kind: "again", afterMs: 5000 });
    expect(steps).toEqual(["release"]);
    clock.advance(5000);
    expect(await leave()).toEqual({ kind: "again", afterMs: 200 });
    expect(steps).toEqual(["release", "del"]);
    clock.advance(200);
    expect(await leave()).toEqual({ kind: "done" });
    expect(steps).toEqual(["release", "del", "remove"]);
    expect(() => netns.fd).toThrow(/closed/);
    expect(await leave()).toEqual({ kind: "done" });
  });

  it.each(["release", "del", "remove"])("repeats a step of leaving that failed: %s", async (name) => {
    await enrolled();
    for (let round = 0; round < 10; round++) {
      failing = steps.includes(name) ? undefined : name;
      const result = await enroller.leave("u").catch(() => ({ kind: "failed" }));
      if (result.kind === "done") break;
      clock.advance(5000);
    }
    expect(steps.filter((step) => step === name)).toHaveLength(2);
    expect(enroller.get("u")).toBeUndefined();
  });

  it.each([
    ["announced", 1, []],
    ["released", 2, ["release", "add", "apply"]],
    ["closed", 3, ["release", "del", "add", "apply"]],
  ] as const)("takes a pod back that was leaving: %s", async (_stage, rounds, expected) => {
    await enrolled();
    for (let round = 0; round < rounds; round++) {
      if (round > 0) clock.advance(5000);
      await leave();
    }
    expect(await enroller.maintain("u", RULES)).toEqual({ kind: "enrolled" });
    expect(steps).toEqual(expected);
    clock.advance(60_000);
    expect(await leave()).toEqual({ kind: "again", afterMs: 2000 });
  });

  it("does not redirect a pod again that was leaving while there is no proxy", async () => {
    await enrolled();
    await leave();
    clock.advance(2000);
    await leave();
    offer = { kind: "not-connected" };
    expect(await enroller.maintain("u", RULES)).toMatchObject({ kind: "pending" });
    expect(steps).toEqual(["release", "add"]);
  });

  it("leaves a pod as it is that was adopted while the proxy is away, and offers it when it is there", async () => {
    enroller.adopt(WORKLOAD, open(), RULES);
    offer = { kind: "not-connected" };
    expect(await enroller.maintain("u", RULES)).toEqual({ kind: "unconfirmed" });
    offer = { kind: "acked" };
    expect(await enroller.maintain("u", RULES)).toEqual({ kind: "enrolled" });
    expect(await enroller.maintain("u", RULES)).toEqual({ kind: "enrolled" });
    expect(steps).toEqual(["expect", "add", "add"]);
  });

  it("offers a pod again that the proxy refused later", async () => {
    await enrolled();
    enroller.onRefused("u");
    offer = { kind: "refused", reason: "port is taken" };
    expect(await enroller.maintain("u", RULES)).toMatchObject({
      kind: "pending",
      error: { code: "CNI_ZTUNNEL_REFUSED", message: "the node proxy can't take over pod shop/a: port is taken" },
    });
    expect(steps).toEqual(["add"]);
  });

  it("is content with a sandbox that it has already", async () => {
    await enrolled();
    const again = open();
    expect(await enroller.enrol(WORKLOAD, again, RULES)).toEqual({ kind: "enrolled" });
    expect(steps).toEqual([]);
    expect(() => again.fd).toThrow(/closed/);
  });

  it("touches nothing of a pod that is gone but what it holds itself", async () => {
    const netns = await enrolled();
    await enroller.forget("u");
    expect(steps).toEqual(["del"]);
    expect(() => netns.fd).toThrow(/closed/);
    expect(await enroller.maintain("u", RULES)).toBeUndefined();
  });
});
