// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { Json } from "../../../src/json/json.ts";
import { asObject } from "../../../src/local/objects/api-object.ts";
import { ageSince, formatAge } from "../../../src/local/table/age.ts";
import { builtInColumns } from "../../../src/local/table/built-in-columns.ts";
import { compileJsonPath } from "../../../src/local/table/json-path.ts";

const NOW = Date.parse("2026-01-02T00:00:00Z");
const metadata = { name: "a", creationTimestamp: "2026-01-01T23:59:00Z" };

const cells = (kind: string, object: object, isWide = false): readonly unknown[] =>
  (builtInColumns[kind] ?? [])
    .filter(({ priority }) => isWide || (priority ?? 0) === 0)
    .map(({ cell }) => cell(asObject({ apiVersion: "v1", kind, metadata, ...object }), NOW));

describe("columns", () => {
  test.each<[string, object, readonly unknown[]]>([
    ["Pod", { spec: { containers: [{}] } }, ["a", "0/1", "Unknown", "0", "60s"]],
    [
      "Pod",
      {
        spec: { containers: [{}, {}] },
        status: {
          phase: "Running",
          containerStatuses: [
            { ready: true, restartCount: 2 },
            { ready: false, restartCount: 1, state: { waiting: { reason: "CrashLoopBackOff" } } },
          ],
        },
      },
      ["a", "1/2", "CrashLoopBackOff", "3", "60s"],
    ],
    [
      "Pod",
      {
        spec: { containers: [{}] },
        status: { phase: "Failed", containerStatuses: [{ state: { terminated: { exitCode: 3 } } }] },
      },
      ["a", "0/1", "ExitCode:3", "0", "60s"],
    ],
    [
      "Pod",
      { spec: { containers: [{}] }, status: { phase: "Failed", reason: "Evicted" } },
      ["a", "0/1", "Evicted", "0", "60s"],
    ],
    [
      "Service",
      {
        spec: {
          type: "NodePort",
          clusterIP: "10.0.0.1",
          ports: [
            { port: 80, nodePort: 30_080, protocol: "TCP" },
            { port: 53, protocol: "UDP" },
          ],
        },
      },
      ["a", "NodePort", "10.0.0.1", "<none>", "80:30080/TCP,53/UDP", "60s"],
    ],
    [
      "Service",
      { spec: { type: "ExternalName", externalName: "x.example" } },
      ["a", "ExternalName", "<none>", "x.example", "<none>", "60s"],
    ],
    [
      "Service",
      { spec: { type: "LoadBalancer" }, status: { loadBalancer: { ingress: [{ ip: "1.2.3.4" }, { hostname: "h" }] } } },
      ["a", "LoadBalancer", "<none>", "1.2.3.4,h", "<none>", "60s"],
    ],
    [
      "Deployment",
      { spec: { replicas: 3 }, status: { readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 } },
      ["a", "1/3", 2, 1, "60s"],
    ],
    ["ReplicaSet", { spec: { replicas: 2 }, status: { replicas: 2 } }, ["a", 2, 2, 0, "60s"]],
    [
      "Node",
      {
        metadata: { ...metadata, labels: { "node-role.kubernetes.io/worker": "" } },
        spec: { unschedulable: true },
        status: { conditions: [{ type: "Ready", status: "True" }] },
      },
      ["a", "Ready,SchedulingDisabled", "worker", "60s", "<none>"],
    ],
    ["Namespace", { status: { phase: "Active" } }, ["a", "Active", "60s"]],
    ["ConfigMap", { data: { a: "1", b: "2" }, binaryData: { c: "" } }, ["a", 3, "60s"]],
    ["Secret", { type: "Opaque", data: {} }, ["a", "Opaque", 0, "60s"]],
    ["ServiceAccount", {}, ["a", 0, "60s"]],
    [
      "EndpointSlice",
      { addressType: "IPv4", ports: [{ port: 80 }, {}], endpoints: [{ addresses: ["10.0.0.1", "10.0.0.2"] }] },
      ["a", "IPv4", "80,*", "10.0.0.1", "60s"],
    ],
    ["Lease", { spec: { holderIdentity: "me" } }, ["a", "me", "60s"]],
    [
      "Event",
      {
        type: "Normal",
        reason: "R",
        message: " m ",
        involvedObject: { kind: "Pod", name: "p" },
        lastTimestamp: "2026-01-01T23:58:00Z",
      },
      ["2m", "Normal", "R", "pod/p", "m"],
    ],
    ["CustomResourceDefinition", {}, ["a", metadata.creationTimestamp]],
  ])("of %s", (kind, object, expected) => {
    expect(cells(kind, object)).toEqual(expected);
  });

  it("of a pod that is being deleted say so, and wide ones tell the place", () => {
    const pod = {
      metadata: { ...metadata, deletionTimestamp: "x" },
      spec: { containers: [], nodeName: "n1" },
      status: { podIP: "10.1.1.1" },
    };
    expect(cells("Pod", pod, true)).toEqual([
      "a",
      "0/0",
      "Terminating",
      "0",
      "60s",
      "10.1.1.1",
      "n1",
      "<none>",
      "<none>",
    ]);
  });

  it("take objects of any content", () => {
    const property = fc.property(
      fc.constantFrom(...Object.keys(builtInColumns)),
      fc.dictionary(fc.constantFrom("spec", "status", "data", "endpoints"), fc.jsonValue()),
      (kind, object) =>
        cells(kind, object, true).every((cell) => ["string", "number", "boolean"].includes(typeof cell)),
    );
    expect(fc.check(property).counterexample).toBeNull();
  });
});

describe("ages", () => {
  test.each([
    [-5, "0s"],
    [119_000, "119s"],
    [200_000, "3m20s"],
    [540_000, "9m"],
    [3_600_000, "60m"],
    [4 * 3_600_000 + 60_000, "4h1m"],
    [30 * 3_600_000, "30h"],
    [50 * 3_600_000, "2d2h"],
    [20 * 86_400_000, "20d"],
    [800 * 86_400_000, "2y70d"],
  ])("%i ms are %s", (ms, text) => expect(formatAge(ms)).toBe(text));
  test("without a time are unknown", () =>
    expect([ageSince(undefined, 0), ageSince("?", 0)]).toEqual(["<unknown>", "<unknown>"]));
});

describe("JSONPath", () => {
  const value: Json = {
    spec: {
      "a.b": 1,
      list: [
        { type: "Ready", status: "True" },
        { type: "Other", status: "False" },
      ],
    },
    n: 5,
  };
  test.each<[string, readonly Json[]]>([
    [".n", [5]],
    [".spec['a.b']", [1]],
    [".spec.a\\.b", [1]],
    [".spec.list[0].type", ["Ready"]],
    [".spec.list[-1].type", ["Other"]],
    [".spec.list[*].status", ["True", "False"]],
    ['.spec.list[?(@.type=="Ready")].status', ["True"]],
    [".spec.list[?(@.type=='None')].status", []],
    [".nothing.at.all", []],
    ["", [value]],
  ])("%s", (path, expected) => {
    expect(compileJsonPath(path)?.(value)).toEqual(expected);
  });

  test.each(["n", ".a..b", ".a[", ".a[?(@.x>1)]", "$.a"])("does not know %s", (path) => {
    expect(compileJsonPath(path)).toBeUndefined();
  });
});
