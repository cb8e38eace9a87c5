// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { placePod } from "../../src/local/controllers/placement.ts";
import { node, pod } from "../support/objects.ts";

const CONTROL_PLANE = node("control-plane", { taints: [{ key: "role/control-plane", effect: "NoSchedule" }] });
const NODES = [CONTROL_PLANE, node("node1"), node("node2")];
const on = (key: string, nodeName: string, owner?: string): ReturnType<typeof pod> =>
  pod(key, { spec: { nodeName }, ...(owner !== undefined && { owner }) });

describe("placePod", () => {
  it("takes the node with the fewest pods, by name where they are equal", () => {
    expect(placePod(pod("a/x"), NODES, [])).toEqual({ node: "node1" });
    expect(placePod(pod("a/x"), NODES, [on("a/y", "node1")])).toEqual({ node: "node2" });
  });

  it("spreads the pods of one owner before anything else", () => {
    const pods = [on("a/w-1", "node1", "w"), on("a/x", "node2"), on("a/y", "node2")];
    expect(placePod(pod("a/w-2", { owner: "w" }), NODES, pods)).toEqual({ node: "node2" });
  });

  it("does not count pods that have ended", () => {
    const ended = pod("a/y", { spec: { nodeName: "node1" }, status: { phase: "Succeeded" } });
    expect(placePod(pod("a/x"), NODES, [ended])).toEqual({ node: "node1" });
  });

  it("follows the node selector", () => {
    const selecting = pod("a/x", { spec: { nodeSelector: { "kubernetes.io/hostname": "node2" } } });
    expect(placePod(selecting, NODES, [on("a/y", "node2")])).toEqual({ node: "node2" });
  });

  it.each([
    { operator: "Exists" as const },
    { key: "role/control-plane", operator: "Exists" as const },
    { key: "role/control-plane", value: "", effect: "NoSchedule" as const },
  ])("keeps pods off tainted nodes, unless they tolerate it: %o", (toleration) => {
    const nodeSelector = { "kubernetes.io/hostname": "control-plane" };
    const tolerant = pod("a/x", { spec: { nodeSelector, tolerations: [toleration] } });
    expect(placePod(tolerant, NODES, [])).toEqual({ node: "control-plane" });
  });

  it("says why no node takes a pod", () => {
    const picky = pod("a/x", { spec: { nodeSelector: { "kubernetes.io/hostname": "control-plane" } } });
    expect(placePod(picky, NODES, [])).toEqual({
      problem:
        "0/3 nodes are available: 1 node(s) had the taint {role/control-plane: }, that the pod didn't tolerate, " +
        "2 node(s) didn't match the pod's node selector",
    });
    expect(placePod(pod("a/x"), [node("n", { unschedulable: true })], [])).toEqual({
      problem: "0/1 nodes are available: 1 node(s) were unschedulable",
    });
    expect(placePod(pod("a/x"), [], [])).toEqual({ problem: "0/0 nodes are available: there are no nodes" });
  });
});
