// SPDX-License-Identifier: Apache-2.0
import { asJson, type ApiObject } from "../objects/api-object.ts";
import { jsonAt, jsonText } from "../../json/json.ts";
import type { FieldIssue } from "../schema/field-issue.ts";
import type { Schema } from "../schema/schema.ts";

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description?: string;
  /** 0: always shown; more: only with `-o wide`. */
  readonly priority?: number;
  /** The cell; `nowMs` is for ages. */
  readonly cell: (object: ApiObject, nowMs: number) => string | number | boolean | null;
}

/** One served version of a kind. All versions of a kind have the same fields; only `apiVersion` is converted. */
export interface KindVersion {
  /** "v1", "v1beta1". */
  readonly name: string;
  /** Of whole objects, apiVersion, kind and metadata included. */
  readonly schema: Schema;
  readonly columns: readonly Column[];
  /** Sent as a warning with each answer, for deprecated versions. */
  readonly warning?: string;
}

/** What a kind does beyond its schema. Every function is pure. */
export interface KindStrategy {
  /** Fills in what is derived from other fields, on create (no `before`) and on update. */
  readonly prepare?: (object: ApiObject, before?: ApiObject) => ApiObject;
  /** Rules that a schema can't express; `before` is the stored object on updates. */
  readonly validate?: (object: ApiObject, before?: ApiObject) => readonly FieldIssue[];
  /** What is wrong with a name; default: DNS subdomain. */
  readonly nameProblem?: (name: string) => string | undefined;
  /** Seconds between the wish to delete and the end, for objects that somebody else winds up; default 0: at once. */
  readonly graceSeconds?: (object: ApiObject, requested: number | undefined) => number;
  /** What changes beside metadata when the object is marked for deletion. */
  readonly markDeleted?: (object: ApiObject) => ApiObject;
  /** True while something beside finalizers and the grace period keeps a marked object from going. */
  readonly isHeld?: (object: ApiObject) => boolean;
}

/** A kind of object that the server serves. */
export interface KindDefinition {
  /** "" for the core group. */
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly isNamespaced: boolean;
  /** Served versions, the preferred one (in which objects are stored) first. */
  readonly versions: readonly [KindVersion, ...KindVersion[]];
  /** `status` is a subresource of its own: writes to the object leave it, writes to it leave the rest. */
  readonly hasStatus?: boolean;
  /** Writes to `status` also change labels and annotations, as for built-in kinds. */
  readonly statusWritesMetadata?: boolean;
  /** Keeps the status given on create (nodes register themselves with it). */
  readonly keepsStatusOnCreate?: boolean;
  /** Counts changes of the specification in metadata.generation. */
  readonly hasGeneration?: boolean;
  /** Has the `scale` subresource over spec.replicas and status.replicas. */
  readonly hasScale?: boolean;
  /** Takes strategic merge patches, as built-in kinds do. */
  readonly hasStrategicMerge?: boolean;
  /** Dotted paths that field selectors may name, beside metadata.name and metadata.namespace. */
  readonly selectableFields?: readonly string[];
  readonly strategy?: KindStrategy;
}

/** "pods", "deployments.apps": the name of a kind of object among all groups. */
export function kindId(kind: Pick<KindDefinition, "group" | "plural">): string {
  return kind.group === "" ? kind.plural : `${kind.plural}.${kind.group}`;
}

/** "v1", "apps/v1". */
export function apiVersionOf(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

/** The version as served, undefined if it is not. */
export function versionOf(kind: KindDefinition, name: string): KindVersion | undefined {
  return kind.versions.find((version) => version.name === name);
}

/** The text that a field selector compares, "" where the field is not set. */
export function selectableValue(object: ApiObject, field: string): string {
  return jsonText(jsonAt(asJson(object), ...field.split(".")));
}
