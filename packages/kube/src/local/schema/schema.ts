// SPDX-License-Identifier: Apache-2.0
import type { Json } from "../../json/json.ts";

/** Types of JSON in schemas. */
export type SchemaType = "object" | "array" | "string" | "integer" | "number" | "boolean";

/**
 * A structural schema as CustomResourceDefinitions carry it (OpenAPI v3 with Kubernetes' extensions).
 * Keywords that are not named here are kept and ignored; CEL rules (`x-kubernetes-validations`) are among them.
 */
export interface Schema {
  readonly type?: SchemaType;
  readonly description?: string;
  readonly nullable?: boolean;
  readonly default?: Json;
  readonly enum?: readonly Json[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly allOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly not?: Schema;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-embedded-resource"?: boolean;
  readonly "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-map-type"?: "granular" | "atomic";
  readonly "x-kubernetes-patch-merge-key"?: string;
  readonly "x-kubernetes-patch-strategy"?: string;
}

/** The schema of a field of an object, undefined where the schema says nothing of it. */
export function propertySchema(schema: Schema | undefined, key: string): Schema | undefined {
  const { properties, additionalProperties } = schema ?? {};
  if (properties !== undefined && Object.hasOwn(properties, key)) return properties[key];
  return typeof additionalProperties === "object" ? additionalProperties : undefined;
}

/** How two versions of a list are merged. */
export type ListMerge =
  | { readonly kind: "atomic" }
  | { readonly kind: "set" }
  | { readonly kind: "map"; readonly keys: readonly string[] };

/** What the schema says of merging this list; lists of unknown schema are replaced as a whole. */
export function listMerge(schema: Schema | undefined): ListMerge {
  const type = schema?.["x-kubernetes-list-type"];
  if (type === "map") return { kind: "map", keys: schema?.["x-kubernetes-list-map-keys"] ?? [] };
  return type === "set" ? { kind: "set" } : { kind: "atomic" };
}
