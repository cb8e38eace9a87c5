// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import type { Condition, Namespace } from "@ambientmesh/api/kubernetes";
import type { AcceptedCondition } from "@ambientmesh/authz";
import { describe, expect, it, test } from "vitest";
import { desiredConditions } from "../../src/writers/object-conditions.ts";
import { isTextCurrent, rootsText, textConfigMap, wantsRoot } from "../../src/writers/distributed-text.ts";

const ROOTS = rootsText("istio-ca-root-cert");

const NOW = new Date("2026-05-05T05:05:05.555Z");
const ACCEPTED: AcceptedCondition = {
  type: "ZtunnelAccepted",
  status: "True",
  reason: "Accepted",
  message: "attached",
};
const WRITTEN: Condition = { ...ACCEPTED, observedGeneration: 2, lastTransitionTime: "2026-01-01T00:00:00Z" };

const policy = (...conditions: Condition[]): AuthorizationPolicy => ({
  apiVersion: "security.istio.io/v1",
  kind: "AuthorizationPolicy",
  metadata: { name: "p", namespace: "shop", generation: 2 },
  ...(conditions.length > 0 && { status: { conditions } }),
});

describe("the condition of a policy", () => {
  const foreign: Condition = { type: "WaypointAccepted", status: "True" };
  test.each<[string, AuthorizationPolicy, AcceptedCondition | undefined, unknown]>([
    ["is written first", policy(foreign), ACCEPTED, [{ ...WRITTEN, lastTransitionTime: "2026-05-05T05:05:05Z" }]],
    ["is left alone when it is right", policy(foreign, WRITTEN), ACCEPTED, undefined],
    [
      "keeps its time while the status stays",
      policy(WRITTEN),
      { ...ACCEPTED, reason: "UnsupportedValue", message: "other" },
      [{ ...WRITTEN, reason: "UnsupportedValue", message: "other" }],
    ],
    [
      "gets a new time when the status turns",
      policy(WRITTEN),
      { ...ACCEPTED, status: "False" },
      [{ ...WRITTEN, status: "False", lastTransitionTime: "2026-05-05T05:05:05Z" }],
    ],
    ["follows the generation", policy({ ...WRITTEN, observedGeneration: 1 }), ACCEPTED, [WRITTEN]],
    ["is removed from a policy that is not for node proxies", policy(WRITTEN), undefined, []],
    ["is not removed where it is not", policy(foreign), undefined, undefined],
    [
      "is kept short",
      policy(WRITTEN),
      { ...ACCEPTED, message: "x".repeat(5000) },
      [{ ...WRITTEN, message: "x".repeat(4096) }],
    ],
  ])("%s", (_what, object, accepted, expected) => {
    const types = new Set(["ZtunnelAccepted"]);
    expect(desiredConditions(object, accepted ? [accepted] : [], types, NOW)).toEqual(expected);
  });
});

describe("the ConfigMap with the root", () => {
  const namespace = (change: object): Namespace => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "shop" },
    ...change,
  });
  test.each([
    [{}, true],
    [{ metadata: { name: "kube-system" } }, true],
    [{ metadata: { name: "kube-public" } }, false],
    [{ metadata: { name: "kube-node-lease" } }, false],
    [{ metadata: { name: "local-path-storage" } }, false],
    [{ metadata: { name: "shop", deletionTimestamp: "2026-01-01T00:00:00Z" } }, false],
    [{ status: { phase: "Terminating" } }, false],
  ])("belongs in %j: %s", (change, expected) => expect(wantsRoot(namespace(change))).toBe(expected));

  it("is current as long as what is ours is right", () => {
    const map = textConfigMap("shop", ROOTS, "PEM");
    expect(map).toMatchObject({
      metadata: { labels: { "istio.io/config": "true" } },
      data: { "root-cert.pem": "PEM" },
    });
    expect(isTextCurrent(map, ROOTS, "PEM")).toBe(true);
    expect(isTextCurrent({ ...map, data: { ...map.data, more: "x" } }, ROOTS, "PEM")).toBe(true);
    expect(isTextCurrent(map, ROOTS, "OTHER")).toBe(false);
    expect(isTextCurrent({ ...map, metadata: { name: "m" } }, ROOTS, "PEM")).toBe(false);
    expect(isTextCurrent(undefined, ROOTS, "PEM")).toBe(false);
  });
});
