// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { ProblemTeller } from "../../src/commands/feed-problems.ts";
import { parseForwards, socketsOfForwards } from "../../src/commands/forwards.ts";
import { formatStatus } from "../../src/commands/status.ts";
import { Progress, table, type Terminal } from "../../src/commands/terminal.ts";
import { unreadyParts } from "../../src/local/readiness-report.ts";
import { pod, podStatusOf } from "../support/objects.ts";

class Paper implements Terminal {
  readonly lines: string[] = [];
  result(text: string): void {
    this.lines.push(`> ${text}`);
  }
  tell(text: string): void {
    this.lines.push(text);
  }
}

describe("ProblemTeller", () => {
  const problem = {
    file: join(process.cwd(), "shop", "a.yaml"),
    line: 3,
    column: 5,
    field: "spec.ports",
    message: "is required",
  };

  it("tells each problem once, from where the user is, and when all are gone", () => {
    const paper = new Paper();
    const teller = new ProblemTeller(paper);
    teller.tell([]);
    teller.tell([problem]);
    teller.tell([problem, { ...problem, line: 9 }]);
    teller.tell([]);
    expect(paper.lines).toEqual([
      "problem: shop/a.yaml:3:5: spec.ports: is required",
      "         what the file said before stays in force",
      "problem: shop/a.yaml:9:5: spec.ports: is required",
      "         what the file said before stays in force",
      "the folder is fine again",
    ]);
  });
});

describe("parseForwards", () => {
  it("reads ports with and without the machine's side", () => {
    expect(parseForwards(["8080:shop/cart:80", "shop/cart:80"])).toEqual([
      { localPort: 8080, namespace: "shop", service: "cart", port: 80 },
      { localPort: undefined, namespace: "shop", service: "cart", port: 80 },
    ]);
    expect(socketsOfForwards(parseForwards(["8080:shop/cart:80"]))[0]).toEqual({
      key: "shop/cart:80",
      port: 8080,
      ifBusy: { flag: "--forward" },
    });
  });

  it.each(["cart:80", "8080:shop/cart", "0:shop/cart:80", "8080:shop/cart:70000", "x:shop/cart:80", ""])(
    "refuses %o",
    (text) => {
      expect(() => parseForwards([text])).toThrow(`--forward "${text}" is not [LOCAL-PORT:]NAMESPACE/SERVICE:PORT`);
    },
  );
});

describe("unreadyParts", () => {
  it("names pods and deployments that are not ready, and why", () => {
    const waiting = pod("shop/a", {
      spec: { nodeName: "node1" },
      status: {
        containerStatuses: [
          {
            name: "app",
            ready: false,
            restartCount: 1,
            state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 2s" } },
            lastState: { terminated: { exitCode: 3 } },
          },
        ],
      },
    });
    const unplaced = pod("shop/b", {
      status: { conditions: [{ type: "PodScheduled", status: "False", message: "0/3 nodes are available" }] },
    });
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { namespace: "shop", name: "cart", generation: 2 },
      spec: { replicas: 2, selector: {}, template: { spec: { containers: [] } } },
      status: { observedGeneration: 2, readyReplicas: 1 },
    } as const;
    const fine = {
      ...deployment,
      metadata: { ...deployment.metadata, name: "fine" },
      status: { observedGeneration: 2, readyReplicas: 2 },
    };
    const unseen = { ...fine, metadata: { ...fine.metadata, name: "unseen", generation: 3 } };
    expect(
      unreadyParts([deployment, fine, unseen], [waiting, unplaced, pod("shop/c", { status: podStatusOf("10.0.0.1") })]),
    ).toEqual([
      "Deployment shop/cart: 1 of 2 ready",
      "Deployment shop/unseen: 2 of 2 ready",
      "Pod shop/a: app CrashLoopBackOff: back-off 2s, ended 2 time(s), last with exit code 3",
      "Pod shop/b: 0/3 nodes are available",
    ]);
  });

  it.each([
    [pod("a/x"), "waits for a node"],
    [pod("a/x", { spec: { nodeName: "node1" } }), "is being started"],
    [
      pod("a/x", {
        spec: { nodeName: "node1" },
        status: { containerStatuses: [{ name: "app", ready: false, restartCount: 0, state: { running: {} } }] },
      }),
      "app runs, but does not serve yet",
    ],
  ])("says what a pod waits for", (waiting, why) => expect(unreadyParts([], [waiting])).toEqual([`Pod a/x: ${why}`]));
});

it("tells progress with the time since the start", () => {
  const paper = new Paper();
  const clock = new FakeClock(0);
  const progress = new Progress(paper, clock);
  clock.advance(1530);
  progress.tell("nodes are connected");
  expect(paper.lines).toEqual(["   1.5 s  nodes are connected"]);
});

it("lines columns up", () => {
  expect(
    table(
      ["A", "LONG", ""],
      [
        ["xyz", "1", "why"],
        ["", "2", ""],
      ],
    ),
  ).toBe("A    LONG\nxyz  1     why\n     2");
});

it("shows a status for people", () => {
  const line = {
    namespace: "shop",
    name: "cart",
    node: "node1",
    ip: "10.244.1.2",
    restarts: 0,
    pids: [7],
    isInMesh: true,
  };
  const text = formatStatus({
    name: "local",
    supervisor: 42,
    folder: "/shop",
    runDirectory: "/run/ambientmesh/local",
    kubeconfig: "/run/ambientmesh/local/kubeconfig",
    nodes: [{ name: "node1", address: "10.99.0.11" }],
    pods: [{ ...line, isReady: false, problem: "app waiting" }],
  });
  expect(text).toMatchInlineSnapshot(`
    "mesh local of /shop, process 42
    kubeconfig /run/ambientmesh/local/kubeconfig
    nodes node1 10.99.0.11

    NAMESPACE  POD   NODE   ADDRESS     READY  RESTARTS  PID  IN MESH
    shop       cart  node1  10.244.1.2  no     0         7    yes      app waiting"
  `);
});
