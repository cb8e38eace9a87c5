// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  STANDALONE_NAME,
  isConfigName,
  planChain,
  planUnchain,
  type ChainOptions,
  type ChainPlan,
} from "../../src/installer/network-config.ts";

const PLUGIN = { type: "istio-cni", cni_agent_run_dir: "/run/x", enablement_selectors: undefined };
const WRITTEN = { type: "istio-cni", cni_agent_run_dir: "/run/x" };
const OPTIONS: ChainOptions = {
  mode: "chained",
  configName: undefined,
  ownedName: "02-istio-cni.conflist",
  plugin: PLUGIN,
};
const BRIDGE = { type: "bridge", ipam: { type: "host-local" } };
const LIST = { cniVersion: "1.0.0", name: "pods", plugins: [BRIDGE, { type: "portmap" }] };

const files = (contents: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> =>
  new Map(
    Object.entries(contents).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
  );

/** What a directory holds after a plan. */
function after(before: ReadonlyMap<string, string>, plan: ChainPlan): unknown {
  if (plan.kind === "wait") return plan.reason;
  const result = new Map([...before, ...plan.writes]);
  for (const name of plan.removals) result.delete(name);
  return Object.fromEntries([...result].map(([name, text]) => [name, JSON.parse(text)]));
}

describe("chaining into the node's configuration", () => {
  test.each<[string, Record<string, unknown>, Partial<ChainOptions>, unknown]>([
    ["a list", { "10-x.conflist": LIST }, {}, { "10-x.conflist": { ...LIST, plugins: [...LIST.plugins, WRITTEN] } }],
    [
      "a single configuration, whose network keeps its name",
      { "10-x.conf": { cniVersion: "0.4.0", name: "net", ...BRIDGE } },
      {},
      { "10-x.conflist": { cniVersion: "0.4.0", name: "net", plugins: [BRIDGE, WRITTEN] } },
    ],
    [
      "a single configuration without a name",
      { "10-x.conf": BRIDGE },
      {},
      { "10-x.conflist": { cniVersion: "0.3.1", name: "k8s-pod-network", plugins: [BRIDGE, WRITTEN] } },
    ],
    [
      "the first valid one",
      { "30-z.conflist": LIST, "05-bad.conflist": '"{"', "06-empty.conflist": { plugins: [] }, "20-y.conflist": LIST },
      {},
      {
        "30-z.conflist": LIST,
        "05-bad.conflist": "{",
        "06-empty.conflist": { plugins: [] },
        "20-y.conflist": { ...LIST, plugins: [...LIST.plugins, WRITTEN] },
      },
    ],
    [
      "the one of that name",
      { "10-x.conflist": LIST, "20-y.conflist": LIST },
      { configName: "20-y.conflist" },
      { "10-x.conflist": LIST, "20-y.conflist": { ...LIST, plugins: [...LIST.plugins, WRITTEN] } },
    ],
    [
      "in place of an older entry",
      { "10-x.conflist": { ...LIST, plugins: [{ type: "istio-cni", log_level: "x" }, BRIDGE] } },
      {},
      { "10-x.conflist": { ...LIST, plugins: [BRIDGE, WRITTEN] } },
    ],
    [
      "a copy of its own",
      { "10-x.conflist": LIST },
      { mode: "owned" },
      { "10-x.conflist": LIST, "02-istio-cni.conflist": { ...LIST, plugins: [...LIST.plugins, WRITTEN] } },
    ],
    [
      "a configuration of its own",
      { "10-x.conflist": LIST },
      { mode: "standalone" },
      { "10-x.conflist": LIST, [STANDALONE_NAME]: { cniVersion: "1.0.0", name: "istio-cni", ...WRITTEN } },
    ],
    ["nothing", {}, {}, "there is no network configuration of the node yet (any valid one)"],
    [
      "one that is missing",
      { "10-x.conflist": LIST },
      { configName: "20-y.conf" },
      "there is no network configuration of the node yet (20-y.conf)",
    ],
  ])("%s", (_case, contents, options, expected) => {
    const before = files(contents);
    const plan = planChain(before, { ...OPTIONS, ...options });
    expect(after(before, plan)).toEqual(expected);
  });

  it.each(["chained", "owned", "standalone"] as const)("changes nothing the second time, and undoes it: %s", (mode) => {
    const options = { ...OPTIONS, mode };
    const before = files({ "10-x.conflist": LIST });
    const chained = files(after(before, planChain(before, options)) as Record<string, unknown>);
    expect(planChain(chained, options)).toEqual({ kind: "plan", writes: new Map(), removals: [] });
    expect(after(chained, planUnchain(chained, options))).toEqual({ "10-x.conflist": LIST });
  });

  it("leaves a copy of its own alone while the node's is not there yet, as after a reboot", () => {
    const owned = files({ "02-istio-cni.conflist": { ...LIST, plugins: [BRIDGE, WRITTEN] } });
    expect(planChain(owned, { ...OPTIONS, mode: "owned" })).toEqual({ kind: "plan", writes: new Map(), removals: [] });
  });

  it("follows changes of the node's configuration in its own copy", () => {
    const stale = files({ "02-istio-cni.conflist": { ...LIST, plugins: [WRITTEN] }, "10-x.conflist": LIST });
    expect(after(stale, planChain(stale, { ...OPTIONS, mode: "owned" }))).toMatchObject({
      "02-istio-cni.conflist": { plugins: [BRIDGE, { type: "portmap" }, WRITTEN] },
    });
  });

  it("survives whatever lies around", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("1.conf", "2.conflist", "3.json"), fc.oneof(fc.json(), fc.string())),
        (contents) => {
          const before = new Map(Object.entries(contents));
          expect(planChain(before, OPTIONS).kind).toMatch(/plan|wait/);
          expect(planUnchain(before, OPTIONS).kind).toBe("plan");
        },
      ),
    );
  });
});

test.each([
  ["10-x.conflist", true],
  ["x.conf", true],
  ["x.json", true],
  [".istio-cni-draft-1", false],
  [".x.conf", false],
  ["x.conf.bak", false],
])("%s is a configuration: %s", (name, expected) => {
  expect(isConfigName(name)).toBe(expected);
});
