// SPDX-License-Identifier: Apache-2.0
import type { Clock, Logger } from "@ambientmesh/core";
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { apiVersionOf, kindId } from "../kinds/kind.ts";
import type { KindRegistry, ServedKind } from "../kinds/kind-registry.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { ApiObject } from "./api-object.ts";

/** Who makes a request, as TokenReview tells it. */
export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What a hook is asked to judge: a write that is complete and about to be validated. */
export interface AdmissionRequest {
  readonly operation: "CREATE" | "UPDATE" | "DELETE";
  readonly kind: ServedKind;
  readonly subresource?: string;
  /** As it would be stored; absent for DELETE. */
  readonly object?: KubernetesObject;
  /** As it is stored; absent for CREATE. */
  readonly before?: KubernetesObject;
  readonly user: UserInfo;
  readonly isDryRun: boolean;
}

/** The verdict, with another object in place of the given one if the hook changes it (addresses, defaults). */
export type AdmissionOutcome =
  | { readonly isAllowed: true; readonly object?: KubernetesObject; readonly warnings?: readonly string[] }
  | { readonly isAllowed: false; readonly message: string };

/**
 * A synchronous say in every write: the place for what controllers of a real cluster do inside the API server, such as
 * giving a Service its address. It runs inside the write, so it must not write itself.
 */
export type AdmissionHook = (request: AdmissionRequest) => AdmissionOutcome;

/** What operations on objects work with. */
export interface ObjectDeps {
  readonly store: ObjectStore;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly admission: readonly AdmissionHook[];
}

/** One request's view: the kind, the place, and who asks. */
export interface Scope {
  readonly kind: ServedKind;
  readonly namespace?: string | undefined;
  readonly subresource?: "status" | undefined;
  readonly user: UserInfo;
  /** Collects warnings for the answer. */
  readonly warn: (text: string) => void;
}

/** How a write is done. */
export interface WriteOptions {
  readonly isDryRun: boolean;
  readonly fieldManager: string;
  /** What happens to fields that the kind does not have: dropped silently, dropped with a warning, refused. */
  readonly fieldValidation: "Ignore" | "Warn" | "Strict";
}

/** "pods", "deployments.apps": the scope's kind among all. */
export function scopeKindId(scope: Scope): string {
  return kindId(scope.kind.definition);
}

/** The apiVersion that the request speaks. */
export function scopeApiVersion({ kind }: Pick<Scope, "kind">): string {
  return apiVersionOf(kind.definition.group, kind.version.name);
}

/** The apiVersion in which objects of the scope's kind are stored. */
export function storedApiVersion({ kind }: Pick<Scope, "kind">): string {
  return apiVersionOf(kind.definition.group, kind.definition.versions[0].name);
}

/** The object as the request's version shows it. */
export function inScopeVersion(scope: Pick<Scope, "kind">, object: ApiObject): ApiObject {
  const apiVersion = scopeApiVersion(scope);
  return object.apiVersion === apiVersion ? object : { ...object, apiVersion };
}

/** RFC 3339 in whole seconds, as metadata carries times. */
export function timestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}
