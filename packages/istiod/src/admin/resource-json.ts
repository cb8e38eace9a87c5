// SPDX-License-Identifier: Apache-2.0
import { fromBinary, toJson, type DescMessage, type JsonValue } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { AUTHORIZATION_TYPE_URL, AuthorizationSchema } from "@ambientmesh/api/security";
import { ADDRESS_TYPE_URL, AddressSchema, ServiceSchema, WorkloadSchema } from "@ambientmesh/api/workload";
import type { ResourceStore } from "@ambientmesh/xds";

/** A resource as clients have it. */
export interface ResourceJson {
  readonly name: string;
  readonly version: string;
  readonly resource: JsonValue;
}

type Store = Pick<ResourceStore, "resources" | "typeUrl">;
const SCHEMAS: ReadonlyMap<string, DescMessage> = new Map<string, DescMessage>([
  [ADDRESS_TYPE_URL, AddressSchema],
  [AUTHORIZATION_TYPE_URL, AuthorizationSchema],
]);

/** Every resource of a store in proto3 JSON, decoded one by one as they are asked for. */
export function* resourcesAsJson(store: Store): Generator<ResourceJson> {
  const schema = SCHEMAS.get(store.typeUrl);
  if (!schema) return;
  for (const { name, version, any } of store.resources()) {
    yield { name, version, resource: toJson(schema, fromBinary(schema, fromBinary(AnySchema, any).value)) };
  }
}

/** The workloads (or services) of the store of addresses. */
export function* addressesAsJson(store: Store, kind: "workload" | "service"): Generator<JsonValue> {
  for (const { any } of store.resources()) {
    const { type } = fromBinary(AddressSchema, fromBinary(AnySchema, any).value);
    if (type.case === "workload" && kind === "workload") yield toJson(WorkloadSchema, type.value);
    if (type.case === "service" && kind === "service") yield toJson(ServiceSchema, type.value);
  }
}
