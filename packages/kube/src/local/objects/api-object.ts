// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject, ObjectMeta } from "@ambientmesh/api/kubernetes";
import { withFields, type Json, type JsonObject } from "../../json/json.ts";

/** An object of any kind as the local server keeps it: plain JSON with checked metadata, frozen once stored. */
export interface ApiObject extends KubernetesObject {
  readonly [field: string]: unknown;
}

/** The object seen as JSON. */
export function asJson(object: object): JsonObject {
  return object as JsonObject;
}

/** JSON whose apiVersion, kind and metadata have been checked, seen as an object. */
export function asObject(json: JsonObject): ApiObject {
  return json as unknown as ApiObject;
}

/** A copy with some metadata replaced; what is given as undefined is left out. */
export function withMeta(
  object: ApiObject,
  fields: { readonly [K in keyof ObjectMeta]?: ObjectMeta[K] | undefined },
): ApiObject {
  return { ...object, metadata: withFields(asJson(object.metadata), asJson(fields)) as unknown as ObjectMeta };
}

/** A copy with one top-level field replaced, or without it if the value is undefined. */
export function withField(object: ApiObject, field: string, value: Json | undefined): ApiObject {
  return asObject(withFields(asJson(object), { [field]: value }));
}
