// SPDX-License-Identifier: Apache-2.0

declare const DESCRIBES: unique symbol;

/**
 * A structural schema (OpenAPI v3 as CustomResourceDefinitions carry it) of values of type T.
 * The type has no value: it makes the compiler check that a schema has exactly the fields of the interface it is for.
 */
export interface FieldSchema<T> {
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly [DESCRIBES]?: T;
}

/** Keywords that only narrow down what a type allows. */
export interface Limits {
  readonly nullable?: boolean;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly "x-kubernetes-list-type"?: "map" | "set";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
}

type FieldsOf<T> = { readonly [K in keyof T]-?: FieldSchema<NonNullable<T[K]>> };
type RequiredKeys<T> = { [K in keyof T]-?: object extends Pick<T, K> ? never : K }[keyof T] & string;

/** An object with the fields of T and no others; `required` names all that the type requires. */
export function fields<T extends object>(
  properties: FieldsOf<T>,
  ...required: readonly RequiredKeys<T>[]
): FieldSchema<T> {
  return { type: "object", properties, ...(required.length > 0 && { required }) } as FieldSchema<T>;
}

/** An object whose keys are not known beforehand. */
export function mapOf<T>(values: FieldSchema<T>, limits: Limits = {}): FieldSchema<Readonly<Record<string, T>>> {
  return { type: "object", additionalProperties: values, ...limits } as FieldSchema<Readonly<Record<string, T>>>;
}

/** A list. */
export function listOf<T>(items: FieldSchema<T>, limits: Limits = {}): FieldSchema<readonly T[]> {
  return { type: "array", items, ...limits } as FieldSchema<readonly T[]>;
}

/** One of these words. */
export function oneOf<const T extends string>(...values: readonly T[]): FieldSchema<T> {
  return { type: "string", enum: values } as FieldSchema<T>;
}

/** The schema with more limits. */
export function limited<T>(schema: FieldSchema<T>, limits: Limits): FieldSchema<T> {
  return { ...schema, ...limits };
}

export const text: FieldSchema<string> = { type: "string" };
export const filledText: FieldSchema<string> = limited(text, { minLength: 1 });
export const texts: FieldSchema<readonly string[]> = listOf(text);
export const filledTexts: FieldSchema<readonly string[]> = listOf(filledText);
export const textMap: FieldSchema<Readonly<Record<string, string>>> = mapOf(text);
export const flag: FieldSchema<boolean> = { type: "boolean" };
/** null stands for an absent value (google.protobuf.BoolValue). */
export const optionalFlag: FieldSchema<boolean> = limited(flag, { nullable: true });
/** A duration such as "300ms" or "1h30m"; its syntax is not checked here. */
export const duration: FieldSchema<string> = { ...text };
export const int32: FieldSchema<number> = limited({ type: "integer" }, { format: "int32" });
export const uint32: FieldSchema<number> = limited({ type: "integer" }, { minimum: 0, maximum: 4_294_967_295 });
export const uint64: FieldSchema<number> = limited({ type: "integer" }, { minimum: 0 });
export const optionalUint32: FieldSchema<number> = limited(uint32, { nullable: true });
export const double: FieldSchema<number> = limited({ type: "number" }, { format: "double" });
