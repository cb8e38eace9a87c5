// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { expendableFirst, isActive, isReady, templateHash } from "../../src/local/controllers/pods-of-owner.ts";
import { pod, podStatusOf } from "../support/objects.ts";

it("gives equal templates the same hash, in whatever order their fields are", () => {
  const spec = { containers: [{ name: "app", command: ["true"] }] };
  const hash = templateHash({ metadata: { labels: { a: "1", b: "2" } }, spec });
  expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz24567890-9]{10}$/);
  expect(templateHash({ spec, metadata: { labels: { b: "2", a: "1" } } })).toBe(hash);
  expect(templateHash({ spec, metadata: { labels: { b: "2", a: "2" } } })).not.toBe(hash);
});

it("lets go of the pods that can best be done without", () => {
  const at = (creationTimestamp: string): { readonly creationTimestamp: string } => ({ creationTimestamp });
  const old = pod("a/old", {
    spec: { nodeName: "n1" },
    status: podStatusOf("10.0.0.1"),
    metadata: at("2026-01-01T00:00:00Z"),
  });
  const young = pod("a/young", {
    spec: { nodeName: "n1" },
    status: podStatusOf("10.0.0.2"),
    metadata: at("2026-01-02T00:00:00Z"),
  });
  const alone = pod("a/alone", {
    spec: { nodeName: "n2" },
    status: podStatusOf("10.0.0.3"),
    metadata: at("2026-01-03T00:00:00Z"),
  });
  const unready = pod("a/unready", { spec: { nodeName: "n3" }, status: podStatusOf("10.0.0.4", false) });
  const unplaced = pod("a/unplaced");
  const names = expendableFirst([old, alone, young, unready, unplaced]).map(({ metadata }) => metadata.name);
  expect(names).toEqual(["unplaced", "unready", "young", "old", "alone"]);
});

it("does not count pods that end or have ended", () => {
  const ending = pod("a/x", {
    status: podStatusOf("10.0.0.1"),
    metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" },
  });
  expect([isReady(ending), isActive(ending)]).toEqual([false, false]);
  expect(isActive(pod("a/x", { status: { phase: "Failed" } }))).toBe(false);
  expect(isActive(pod("a/x"))).toBe(true);
});
