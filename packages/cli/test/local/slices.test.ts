// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { slicesOf } from "../../src/local/controllers/slices.ts";
import { pod, podStatusOf, service } from "../support/objects.ts";

const labels = { app: "cart" };
const cart = service("shop/cart", { selector: labels, ports: [{ name: "http", port: 80, targetPort: 8080 }] });

describe("slicesOf", () => {
  it("has the selected pods of the service's namespace, with their conditions", () => {
    const slices = slicesOf(cart, [
      pod("shop/b", { labels, spec: { nodeName: "node2" }, status: podStatusOf("10.244.2.2", false) }),
      pod("shop/a", { labels, spec: { nodeName: "node1" }, status: podStatusOf("10.244.1.2") }),
      pod("shop/other", { labels: { app: "other" }, status: podStatusOf("10.244.1.3") }),
      pod("street/a", { labels, status: podStatusOf("10.244.1.4") }),
      pod("shop/starting", { labels }),
      pod("shop/done", { labels, status: { ...podStatusOf("10.244.1.5"), phase: "Succeeded" } }),
    ]);
    expect(slices).toMatchObject([
      {
        metadata: { name: expect.stringMatching(/^cart-[0-9a-f]{5}$/) as string, namespace: "shop" },
        addressType: "IPv4",
        ports: [{ name: "http", port: 8080, protocol: "TCP" }],
        endpoints: [
          {
            addresses: ["10.244.1.2"],
            conditions: { ready: true, serving: true, terminating: false },
            targetRef: { kind: "Pod", namespace: "shop", name: "a", uid: "uid-a" },
            nodeName: "node1",
          },
          { addresses: ["10.244.2.2"], conditions: { ready: false, serving: false, terminating: false } },
        ],
      },
    ]);
  });

  it("counts a pod that ends as serving, but not as ready", () => {
    const ending = pod("shop/a", {
      labels,
      status: podStatusOf("10.244.1.2"),
      metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" },
    });
    expect(slicesOf(cart, [ending])[0]?.endpoints?.[0]?.conditions).toEqual({
      ready: false,
      serving: true,
      terminating: true,
    });
  });

  it("gives pods whose named port has another number a slice of their own", () => {
    const named = service("shop/cart", { selector: labels, ports: [{ port: 80, targetPort: "web" }] });
    const withPort = (key: string, containerPort: number, ip: string): ReturnType<typeof pod> =>
      pod(key, {
        labels,
        status: podStatusOf(ip),
        spec: { containers: [{ name: "app", ports: [{ name: "web", containerPort }] }] },
      });
    const slices = slicesOf(named, [withPort("shop/a", 8080, "10.244.1.2"), withPort("shop/b", 9090, "10.244.1.3")]);
    expect(slices.map(({ ports }) => ports?.[0]?.port)).toEqual([8080, 9090]);
    expect(new Set(slices.map(({ metadata }) => metadata.name)).size).toBe(2);
  });

  it("publishes addresses that are not ready where the service wants it", () => {
    const eager = service("shop/cart", { selector: labels, publishNotReadyAddresses: true, ports: [{ port: 80 }] });
    const starting = pod("shop/a", { labels, status: podStatusOf("10.244.1.2", false) });
    expect(slicesOf(eager, [starting])[0]?.endpoints?.[0]?.conditions?.ready).toBe(true);
  });

  it("leaves services without a selector to others", () => {
    expect(slicesOf(service("shop/cart", { ports: [{ port: 80 }] }), [pod("shop/a", { labels })])).toEqual([]);
  });
});
