// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "../../schema/schema.ts";
import {
  anyFields,
  bool,
  int32,
  int64,
  listOf,
  mapOf,
  object,
  oneOf,
  setOf,
  text,
  time,
  withDefault,
} from "./build.ts";
import { conditions, kindSchema, labelSelector, objectReference } from "./meta.ts";
import { podTemplate } from "./pod.ts";

const replicas: Schema = withDefault({ ...int32, minimum: 0 }, 1);

/** apps/v1 Deployment. */
export const deployment: Schema = kindSchema(
  "Keeps a number of equal pods running.",
  {
    spec: object(
      {
        replicas,
        selector: labelSelector,
        template: podTemplate,
        strategy: anyFields,
        minReadySeconds: int32,
        revisionHistoryLimit: int32,
        progressDeadlineSeconds: int32,
        paused: bool,
      },
      ["selector", "template"],
    ),
    status: object({
      observedGeneration: int64,
      replicas: int32,
      readyReplicas: int32,
      availableReplicas: int32,
      updatedReplicas: int32,
      unavailableReplicas: int32,
      terminatingReplicas: int32,
      collisionCount: int32,
      conditions,
    }),
  },
  ["spec"],
);

/** apps/v1 ReplicaSet. */
export const replicaSet: Schema = kindSchema(
  "Keeps a number of pods of one template running.",
  {
    spec: object({ replicas, selector: labelSelector, template: podTemplate, minReadySeconds: int32 }, ["selector"]),
    status: object({
      observedGeneration: int64,
      replicas: int32,
      readyReplicas: int32,
      availableReplicas: int32,
      fullyLabeledReplicas: int32,
      terminatingReplicas: int32,
      conditions,
    }),
  },
  ["spec"],
);

const endpoint = object(
  {
    addresses: { ...setOf(text), minItems: 1 },
    conditions: object({ ready: bool, serving: bool, terminating: bool }),
    hostname: text,
    targetRef: objectReference,
    nodeName: text,
    zone: text,
    hints: anyFields,
    deprecatedTopology: mapOf(text),
  },
  ["addresses"],
);

/** discovery.k8s.io/v1 EndpointSlice. */
export const endpointSlice: Schema = kindSchema(
  "Addresses behind a Service.",
  {
    addressType: oneOf("IPv4", "IPv6", "FQDN"),
    endpoints: { ...listOf(endpoint), maxItems: 1000 },
    ports: listOf(object({ name: text, port: int32, protocol: withDefault(text, "TCP"), appProtocol: text })),
  },
  ["addressType"],
);

/** coordination.k8s.io/v1 Lease. */
export const lease: Schema = kindSchema("A lock with a time limit.", {
  spec: object({
    holderIdentity: text,
    leaseDurationSeconds: { ...int32, minimum: 1 },
    acquireTime: time,
    renewTime: time,
    leaseTransitions: { ...int32, minimum: 0 },
    strategy: text,
    preferredHolder: text,
  }),
});

const crdVersion = object(
  {
    name: text,
    served: bool,
    storage: bool,
    deprecated: bool,
    deprecationWarning: text,
    schema: object({ openAPIV3Schema: anyFields }),
    subresources: object({ status: anyFields, scale: anyFields }),
    additionalPrinterColumns: listOf(
      object({ name: text, type: text, jsonPath: text, format: text, description: text, priority: int32 }, [
        "name",
        "type",
        "jsonPath",
      ]),
    ),
    selectableFields: listOf(object({ jsonPath: text }, ["jsonPath"])),
  },
  ["name", "served", "storage"],
);

const crdNames = object(
  { plural: text, singular: text, kind: text, listKind: text, shortNames: listOf(text), categories: listOf(text) },
  ["plural", "kind"],
);

/** apiextensions.k8s.io/v1 CustomResourceDefinition. */
export const customResourceDefinition: Schema = kindSchema(
  "Adds a kind of object to the API.",
  {
    spec: object(
      {
        group: text,
        scope: oneOf("Namespaced", "Cluster"),
        names: crdNames,
        versions: { ...listOf(crdVersion), minItems: 1 },
        conversion: anyFields,
        preserveUnknownFields: bool,
      },
      ["group", "scope", "names", "versions"],
    ),
    status: object({ conditions, acceptedNames: crdNames, storedVersions: listOf(text) }),
  },
  ["spec"],
);
