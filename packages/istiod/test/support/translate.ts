// SPDX-License-Identifier: Apache-2.0
import { fromBinary, toJson, type JsonValue } from "@bufbuild/protobuf";
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import { AddressSchema } from "@ambientmesh/api/workload";
import { objectKey } from "@ambientmesh/kube";
import { parseAllDocuments } from "yaml";
import type { SourceCollection } from "../../src/collections/collection.ts";
import { addressText } from "../../src/model/ip-address.ts";
import { createMeshModel, type MeshModel, type MeshModelOptions } from "../../src/model/mesh-model.ts";
import type { MeshSources } from "../../src/model/mesh-sources.ts";

const SOURCES: Readonly<Record<string, keyof MeshSources>> = {
  Namespace: "namespaces",
  Node: "nodes",
  Pod: "pods",
  Service: "services",
  EndpointSlice: "endpointSlices",
  AuthorizationPolicy: "authorizationPolicies",
  PeerAuthentication: "peerAuthentications",
  ServiceEntry: "serviceEntries",
  WorkloadEntry: "workloadEntries",
  Gateway: "gateways",
  GatewayClass: "gatewayClasses",
};

export const OPTIONS: MeshModelOptions = {
  clusterId: "c1",
  domain: "cluster.local",
  trustDomain: "cluster.local",
  rootNamespace: "istio-system",
  systemNamespace: "istio-system",
  isDryRunSent: false,
};

/** The source collection that objects of a kind go to. */
export function sourceOf(model: MeshModel, kind: string): SourceCollection<KubernetesObject> {
  const name = SOURCES[kind];
  if (name === undefined) throw new Error(`no source for kind ${kind}`);
  return model.sources[name] as unknown as SourceCollection<KubernetesObject>;
}

/** A key given twice has its last value, so that a table can change one line of an object. */
export function parseObjects(yaml: string): KubernetesObject[] {
  return parseAllDocuments(yaml, { uniqueKeys: false }).flatMap((document) => {
    if (document.errors[0]) throw document.errors[0];
    const object = document.toJS() as KubernetesObject | null;
    return object ? [object] : [];
  });
}

/** Puts objects into the sources without settling. */
export function put(model: MeshModel, objects: Iterable<KubernetesObject>): void {
  for (const object of objects) sourceOf(model, object.kind).set(objectKey(object.metadata), object);
}

/** A settled model of the objects; a derivation that throws fails the test. */
export function modelOf(yaml: string, options: Partial<MeshModelOptions> = {}): MeshModel {
  const model = createMeshModel({ ...OPTIONS, ...options }, ({ error }) => {
    throw error;
  });
  put(model, parseObjects(yaml));
  model.graph.settle();
  return model;
}

/** What clients get, as JSON with readable addresses, by resource name. */
export function addressesOf(model: MeshModel): Record<string, JsonValue> {
  const entries = [...model.addresses.entries()].map(([name, { value }]): [string, JsonValue] => {
    const json = toJson(AddressSchema, fromBinary(AddressSchema, value)) as Record<string, JsonValue>;
    return [name, readable(Object.values(json)[0] as JsonValue)];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The resources of a YAML text. */
export function translate(yaml: string, options: Partial<MeshModelOptions> = {}): Record<string, JsonValue> {
  return addressesOf(modelOf(yaml, options));
}

const textOf = (base64: string): string => addressText(Buffer.from(base64, "base64"));

interface NetworkAddressJson {
  readonly network?: string;
  readonly address: string;
  readonly length?: number;
}

function networkAddressText({ network = "", address, length }: NetworkAddressJson): string {
  return `${network}/${textOf(address)}${length === undefined ? "" : `/${length}`}`;
}

function readable(json: JsonValue): JsonValue {
  const { addresses, ...rest } = json as { addresses?: (string | NetworkAddressJson)[] };
  const texts = addresses?.map((address) =>
    typeof address === "string" ? textOf(address) : networkAddressText(address),
  );
  return { ...rest, ...(texts && { addresses: texts }) };
}

/** The policies that clients get, as JSON, by name. */
export function authorizationsOf(model: MeshModel): Record<string, JsonValue> {
  const entries = [...model.authorizations.entries()].map(([name, { value }]): [string, JsonValue] => [
    name,
    toJson(AuthorizationSchema, fromBinary(AuthorizationSchema, value)),
  ]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Names of the policies attached to a workload. */
export function policiesOf(model: MeshModel, uid: string): unknown {
  return (addressesOf(model)[uid] as Record<string, JsonValue>)["authorizationPolicies"] ?? [];
}
