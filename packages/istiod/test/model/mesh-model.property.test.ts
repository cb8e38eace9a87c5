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
const target = fc.constantFrom<number | string>(8080, "http", "gone");

const objects: Readonly<Record<string, fc.Arbitrary<object>>> = {
  Namespace: fc.record({
    metadata: fc.record({
      name: namespace,
      labels: some(fc.constantFrom({}, { "topology.istio.io/network": "net1" })),
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
    metadata: fc.record({ namespace, name }),
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
    }),
    { numRuns: 100 },
  );
});
