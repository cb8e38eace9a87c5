// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "../schema/schema.ts";
import { builtInColumns } from "../table/built-in-columns.ts";
import { ageColumn, nameColumn } from "../table/columns.ts";
import type { KindDefinition } from "./kind.ts";
import * as core from "./schemas/core.ts";
import * as groups from "./schemas/groups.ts";
import { pod } from "./schemas/pod.ts";
import { configMapStrategy, secretStrategy } from "./strategies/config.ts";
import { crdStrategy } from "./strategies/crd.ts";
import { podStrategy } from "./strategies/pod.ts";
import { serviceStrategy } from "./strategies/service.ts";
import { endpointSliceStrategy, namespaceStrategy, templateOwnerStrategy } from "./strategies/workload.ts";

type Names = Pick<KindDefinition, "group" | "kind" | "plural"> & { readonly version?: string };
type Traits = Omit<Partial<KindDefinition>, "versions" | "group" | "kind" | "plural" | "singular">;

function builtIn({ group, kind, plural, version = "v1" }: Names, schema: Schema, traits: Traits = {}): KindDefinition {
  return {
    group,
    kind,
    plural,
    singular: kind.toLowerCase(),
    isNamespaced: true,
    hasStrategicMerge: true,
    statusWritesMetadata: true,
    ...traits,
    versions: [{ name: version, schema, columns: builtInColumns[kind] ?? [nameColumn, ageColumn] }],
  };
}

const coreKind = (kind: string, plural: string): Names => ({ group: "", kind, plural });
const appsKind = (kind: string, plural: string): Names => ({ group: "apps", kind, plural });
const inCluster: Traits = { isNamespaced: false };
const inAll: Traits = { categories: ["all"] };

const coreKinds: readonly KindDefinition[] = [
  builtIn(coreKind("Namespace", "namespaces"), core.namespace, {
    ...inCluster,
    shortNames: ["ns"],
    hasStatus: true,
    selectableFields: ["status.phase"],
    strategy: namespaceStrategy,
  }),
  builtIn(coreKind("Node", "nodes"), core.node, {
    ...inCluster,
    shortNames: ["no"],
    hasStatus: true,
    keepsStatusOnCreate: true,
    selectableFields: ["spec.unschedulable"],
  }),
  builtIn(coreKind("Pod", "pods"), pod, {
    ...inAll,
    shortNames: ["po"],
    hasStatus: true,
    hasGeneration: true,
    selectableFields: [
      "spec.nodeName",
      "spec.restartPolicy",
      "spec.schedulerName",
      "spec.serviceAccountName",
      "spec.hostNetwork",
      "status.phase",
      "status.podIP",
      "status.nominatedNodeName",
    ],
    strategy: podStrategy,
  }),
  builtIn(coreKind("Service", "services"), core.service, {
    ...inAll,
    shortNames: ["svc"],
    hasStatus: true,
    selectableFields: ["spec.clusterIP", "spec.type"],
    strategy: serviceStrategy,
  }),
  builtIn(coreKind("ServiceAccount", "serviceaccounts"), core.serviceAccount, { shortNames: ["sa"] }),
  builtIn(coreKind("ConfigMap", "configmaps"), core.configMap, { shortNames: ["cm"], strategy: configMapStrategy }),
  builtIn(coreKind("Secret", "secrets"), core.secret, { selectableFields: ["type"], strategy: secretStrategy }),
  builtIn(coreKind("Event", "events"), core.event, {
    shortNames: ["ev"],
    selectableFields: [
      "involvedObject.kind",
      "involvedObject.namespace",
      "involvedObject.name",
      "involvedObject.uid",
      "involvedObject.apiVersion",
      "involvedObject.resourceVersion",
      "involvedObject.fieldPath",
      "reason",
      "reportingComponent",
      "source",
      "type",
    ],
  }),
];

const groupKinds: readonly KindDefinition[] = [
  builtIn(appsKind("Deployment", "deployments"), groups.deployment, {
    ...inAll,
    shortNames: ["deploy"],
    hasStatus: true,
    hasGeneration: true,
    hasScale: true,
    strategy: templateOwnerStrategy,
  }),
  builtIn(appsKind("ReplicaSet", "replicasets"), groups.replicaSet, {
    ...inAll,
    shortNames: ["rs"],
    hasStatus: true,
    hasGeneration: true,
    hasScale: true,
    selectableFields: ["status.replicas"],
    strategy: templateOwnerStrategy,
  }),
  builtIn({ group: "discovery.k8s.io", kind: "EndpointSlice", plural: "endpointslices" }, groups.endpointSlice, {
    hasGeneration: true,
    strategy: endpointSliceStrategy,
  }),
  builtIn({ group: "coordination.k8s.io", kind: "Lease", plural: "leases" }, groups.lease),
  builtIn(
    { group: "apiextensions.k8s.io", kind: "CustomResourceDefinition", plural: "customresourcedefinitions" },
    groups.customResourceDefinition,
    {
      ...inCluster,
      shortNames: ["crd", "crds"],
      categories: ["api-extensions"],
      hasStatus: true,
      hasGeneration: true,
      strategy: crdStrategy,
    },
  ),
];

/** Kubernetes' own kinds as far as the local server knows them. */
export const builtInKinds: readonly KindDefinition[] = [...coreKinds, ...groupKinds];
