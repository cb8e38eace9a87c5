// SPDX-License-Identifier: Apache-2.0
import type { EndpointSlice, Namespace, Pod } from "@ambientmesh/api/kubernetes";
import { expect, it } from "vitest";
import { slimEndpointSlice, slimNamespace, slimmestPod } from "../../src/sources/slim-objects.ts";

const annotations = { "ambient.istio.io/redirection": "enabled", "example.com/notes": "x".repeat(1000) };

it("keeps of a pod what its workload is made of", () => {
  const pod: Pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "web",
      namespace: "shop",
      uid: "u",
      generateName: "web-",
      labels: { app: "web" },
      annotations,
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "ReplicaSet", name: "web-1", uid: "r", controller: true },
        { apiVersion: "v1", kind: "ConfigMap", name: "c", uid: "c" },
      ],
    },
    spec: {
      nodeName: "n1",
      serviceAccountName: "web",
      containers: [
        { name: "web", image: "image", env: [{ name: "A", value: "b" }], ports: [{ name: "http", containerPort: 80 }] },
      ],
    },
    status: {
      phase: "Running",
      podIP: "10.0.0.1",
      startTime: "now",
      conditions: [
        { type: "Ready", status: "True" },
        { type: "Other", status: "True" },
      ],
    },
  };
  expect(slimmestPod(pod)).toEqual({
    ...pod,
    metadata: {
      ...pod.metadata,
      annotations: { "ambient.istio.io/redirection": "enabled" },
      ownerReferences: [pod.metadata.ownerReferences?.[0]],
    },
    spec: { ...pod.spec, containers: [{ name: "web", ports: [{ name: "http", containerPort: 80 }] }] },
    status: { phase: "Running", podIP: "10.0.0.1", conditions: [{ type: "Ready", status: "True" }] },
  });
});

it("keeps of a namespace what its services and workloads ask for", () => {
  const namespace: Namespace = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: "shop",
      labels: { a: "b" },
      annotations: { ...annotations, "networking.istio.io/traffic-distribution": "PreferClose" },
    },
  };
  expect(slimNamespace(namespace).metadata).toEqual({
    name: "shop",
    labels: { a: "b" },
    annotations: {
      "ambient.istio.io/redirection": "enabled",
      "networking.istio.io/traffic-distribution": "PreferClose",
    },
  });
});

it("keeps of a slice its addresses, readiness and the objects behind them", () => {
  const targetRef = { kind: "Pod", name: "web", namespace: "shop", uid: "u" };
  const slice: EndpointSlice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "web-x", namespace: "shop", annotations },
    addressType: "IPv4",
    endpoints: [
      { addresses: ["10.0.0.1"], conditions: { ready: false, serving: true }, targetRef, zone: "z", nodeName: "n1" },
      { addresses: ["10.0.0.2"] },
    ],
  };
  expect(slimEndpointSlice(slice).endpoints).toEqual([
    { addresses: ["10.0.0.1"], conditions: { ready: false }, targetRef },
    { addresses: ["10.0.0.2"] },
  ]);
  const { endpoints: _endpoints, ...empty } = slice;
  expect(slimEndpointSlice(empty)).not.toHaveProperty("endpoints");
});
