// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { objectKey } from "@ambientmesh/kube";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { createMeshModel, type MeshModel } from "../../src/model/mesh-model.ts";
import { OPTIONS, addressesOf, authorizationsOf, sourceOf } from "../support/translate.ts";

const namespace = fc.constantFrom("istio-system", "shop", "bank");
const name = fc.constantFrom("a", "b", "c");
const labels = fc.dictionary(fc.constantFrom("app", "tier"), fc.constantFrom("x", "y"), { maxKeys: 2 });
const some = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
const mode = fc.constantFrom("UNSET", "STRICT", "PERMISSIVE", "DISABLE", "WRONG");
const address = fc.constantFrom("10.0.0.1", "10.0.0.2", "fd00::1", "nonsense");
const selector = some(fc.record({ matchLabels: labels }));
const waypointLabels = fc.dictionary(
  fc.constantFrom(
    "app",
    "istio.io/use-waypoint",
    "istio.io/use-waypoint-namespace",
    "istio.io/use-waypoint-canary",
    "ambientmesh.io/only-through-waypoint",
  ),
  fc.constantFrom("a", "b", "bank", "none", "true"),
  { maxKeys: 3 },
);
const ageless = fc.constantFrom("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
const workload = fc.record({
  address: fc.oneof(address, fc.constantFrom("db.example.com", "unix:///a")),
  labels: some(waypointLabels),
  ports: some(fc.constant({ http: 9000 })),
});
const target = fc.constantFrom<number | string>(8080, "http", "gone");

const objects: Readonly<Record<string, fc.Arbitrary<object>>> = {
  Namespace: fc.record({
    metadata: fc.record({
      name: namespace,
      labels: some(fc.oneof(fc.constant({ "topology.istio.io/network": "net1" }), waypointLabels)),
      annotations: some(fc.constantFrom({}, { "networking.istio.io/traffic-distribution": "PreferClose" })),
    }),
  }),
  Node: fc.record({
    metadata: fc.record({ name, labels: some(fc.constantFrom({}, { "topology.kubernetes.io/zone": "z" })) }),
  }),
  Pod: fc.record({
    metadata: fc.record({ namespace, name, labels: some(labels), uid: fc.constantFrom("u1", "u2") }),
    spec: fc.record({
      nodeName: some(name),
      containers: fc.constantFrom([], [{ name: "c", ports: [{ name: "http", containerPort: 80 }] }]),
    }),
    status: some(fc.record({ podIP: some(address), phase: fc.constantFrom("Pending", "Running", "Failed") })),
  }),
  Service: fc.record({
    metadata: fc.record({ namespace, name, labels: some(waypointLabels) }),
    spec: fc.record({
      selector: some(labels),
      clusterIP: address,
      type: fc.constantFrom("ClusterIP", "ExternalName"),
      ports: some(fc.constantFrom(undefined, target).map((targetPort) => [{ name: "p", port: 80, targetPort }])),
    }),
  }),
  EndpointSlice: fc.record({
    metadata: fc.record({
      namespace,
      name,
      labels: name.map((service) => ({ "kubernetes.io/service-name": service })),
    }),
    addressType: fc.constantFrom("IPv4", "FQDN"),
    ports: some(fc.constant([{ name: "p", port: 9090 }])),
    endpoints: fc.array(
      fc.record({
        addresses: fc.array(address, { maxLength: 1 }),
        targetRef: some(fc.record({ kind: fc.constantFrom("Pod", "Node"), name, namespace, uid: fc.constant("u1") })),
      }),
      { maxLength: 3 },
    ),
  }),
  ServiceEntry: fc.record({
    metadata: fc.record({ namespace, name, labels: some(waypointLabels), creationTimestamp: ageless }),
    spec: fc.record({
      hosts: fc.array(fc.constantFrom("x.com", "*.y.com", "a.shop.svc.cluster.local"), { minLength: 1, maxLength: 2 }),
      addresses: some(fc.constantFrom(["10.9.0.0/16"], ["10.9.0.1", "nonsense"])),
      ports: fc.constant([{ name: "http", number: 80 }]),
      resolution: some(fc.constantFrom("NONE", "STATIC", "DNS", "DYNAMIC_DNS")),
      endpoints: some(fc.array(workload, { maxLength: 2 })),
      workloadSelector: some(fc.record({ labels })),
    }),
    status: some(fc.constant({ addresses: [{ value: "240.240.0.1", host: "x.com" }] })),
  }),
  WorkloadEntry: fc.record({
    metadata: fc.record({ namespace, name, labels: some(waypointLabels) }),
    spec: some(workload),
  }),
  Gateway: fc.record({
    metadata: fc.record({
      namespace,
      name,
      labels: some(fc.constantFrom({ "istio.io/waypoint-for": "all" }, { "istio.io/waypoint-for": "none" })),
    }),
    spec: fc.record({
      gatewayClassName: fc.constant("istio-waypoint"),
      listeners: some(
        fc.constantFrom("All", "Same", "Selector").map((from) => [
          {
            name: "mesh",
            port: 15_008,
            protocol: "HBONE",
            allowedRoutes: { namespaces: { from, selector: { matchLabels: { app: "a" } } } },
          },
        ]),
      ),
    }),
    status: some(fc.constantFrom({}, { addresses: [{ type: "Hostname", value: "w.example.com" }] })),
  }),
  AuthorizationPolicy: fc.record({
    metadata: fc.record({ namespace, name }),
    spec: some(
      fc.record({
        selector,
        action: fc.constantFrom("ALLOW", "DENY", "AUDIT", "WRONG"),
        rules: some(fc.constantFrom<unknown>([], [{ to: [{ operation: { ports: ["80"] } }] }], "nonsense")),
      }),
    ),
  }),
  PeerAuthentication: fc.record({
    metadata: fc.record({
      namespace,
      name,
      creationTimestamp: fc.constantFrom("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    }),
    spec: some(
      fc.record({
        selector,
        mtls: some(fc.record({ mode: some(mode) })),
        portLevelMtls: some(fc.dictionary(fc.constantFrom("80", "8080"), fc.record({ mode }), { maxKeys: 2 })),
      }),
    ),
  }),
};

/** An object put or (every fourth) removed. */
const operation = fc.oneof(
  ...Object.entries(objects).map(([kind, arbitrary]) =>
    fc.record({
      object: arbitrary.map((object) => ({ kind, ...object }) as unknown as KubernetesObject),
      isRemoved: fc.nat(3).map((n) => n === 0),
      next: fc.constantFrom("settle", "pause", "go on"),
    }),
  ),
);

const emptyModel = (): MeshModel => createMeshModel(OPTIONS, () => undefined);

it("gives, after any sequence of changes, what translating the last state gives", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 80 }), (operations) => {
      const incremental = emptyModel();
      const present = new Map<string, KubernetesObject>();
      for (const { object, isRemoved, next } of operations) {
        const key = objectKey(object.metadata);
        if (isRemoved) sourceOf(incremental, object.kind).delete(key);
        else sourceOf(incremental, object.kind).set(key, object);
        if (isRemoved) present.delete(`${object.kind} ${key}`);
        else present.set(`${object.kind} ${key}`, object);
        if (next === "settle") incremental.graph.settle();
        if (next === "pause") incremental.graph.work(() => true);
      }
      incremental.graph.settle();

      const anew = emptyModel();
      for (const object of present.values()) sourceOf(anew, object.kind).set(objectKey(object.metadata), object);
      anew.graph.settle();
      expect(addressesOf(incremental)).toEqual(addressesOf(anew));
      expect(authorizationsOf(incremental)).toEqual(authorizationsOf(anew));
      expect(Object.fromEntries(incremental.policies.entries())).toEqual(Object.fromEntries(anew.policies.entries()));
      for (const kind of ["services", "serviceEntries", "workloadEntries"] as const) {
        const bindings = (model: MeshModel): object => Object.fromEntries(model.bindings[kind].entries());
        expect(bindings(incremental)).toEqual(bindings(anew));
      }
    }),
    { numRuns: 100 },
  );
});
