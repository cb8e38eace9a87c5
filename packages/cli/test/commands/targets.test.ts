// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { findLog, logFiles } from "../../src/commands/logs.ts";
import { findTarget } from "../../src/commands/targets.ts";
import { pod } from "../support/objects.ts";

const pods = [
  pod("shop/cart-abc-1"),
  pod("shop/cart-abc-2"),
  pod("shop/customer"),
  pod("street/customer"),
  pod("street/visitor"),
];
const nameOf = (word: string): string => {
  const target = findTarget(word, pods);
  return target.kind === "pod"
    ? `${target.pod.metadata.namespace}/${target.pod.metadata.name}`
    : `${target.kind} ${target.name}`;
};

describe("findTarget", () => {
  it.each([
    ["node1", "node node1"],
    ["control-plane", "node control-plane"],
    ["fabric", "fabric fabric"],
    ["visitor", "street/visitor"],
    ["shop/customer", "shop/customer"],
    ["cart", "shop/cart-abc-1"],
    ["cart-abc-2", "shop/cart-abc-2"],
    ["shop/cart", "shop/cart-abc-1"],
  ])("%s is %s", (word, found) => expect(nameOf(word)).toBe(found));

  it("names those that may be meant", () => {
    expect(() => findTarget("customer", pods)).toThrow(
      '"customer" may be shop/customer, street/customer; name the namespace too',
    );
    expect(() => findTarget("car", pods)).toThrow(
      'there is no pod or node "car"; pods are shop/cart-abc-1, shop/cart-abc-2, shop/customer, street/customer, street/visitor, ' +
        "nodes are control-plane, node1, node2",
    );
    expect(() => findTarget("x", [])).toThrow("pods are none");
  });
});

describe("findLog", () => {
  const files = ["shop_cart-abc-1_app", "shop_cart-abc-1_helper", "istio-system_ztunnel-node1_istio-proxy"].map(
    (name) => {
      const [namespace = "", podName = "", container = ""] = name.split("_");
      return { path: `/logs/${name}.log`, namespace, pod: podName, container };
    },
  );

  it.each([
    ["cart-abc-1", "/logs/shop_cart-abc-1_app.log"],
    ["shop/cart", "/logs/shop_cart-abc-1_app.log"],
    ["ztunnel-node1", "/logs/istio-system_ztunnel-node1_istio-proxy.log"],
    ["ztunnel", "/logs/istio-system_ztunnel-node1_istio-proxy.log"],
  ])("of %s is %s", (word, path) => expect(findLog(word, files).path).toBe(path));

  it("names those that are there", () => {
    expect(() => findLog("nosuch", files.slice(0, 1))).toThrow(
      'there is no log of "nosuch"; there are logs of shop/cart-abc-1',
    );
  });

  it("finds nothing where there are no logs", () => expect(logFiles("/nonexistent")).toEqual([]));
});
