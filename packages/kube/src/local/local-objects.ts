// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { kubeErrors } from "../errors.ts";
import type { Json } from "../json/json.ts";
import { objectKey, type ObjectRef } from "../resource.ts";
import { systemScope } from "./housekeeping/system-scope.ts";
import { apiVersionOf } from "./kinds/kind.ts";
import type { ServedKind } from "./kinds/kind-registry.ts";
import { asJson } from "./objects/api-object.ts";
import { deleteObject } from "./objects/delete.ts";
import { scopeKindId, type ObjectDeps, type Scope } from "./objects/scope.ts";
import { applyObject } from "./objects/update.ts";
import { formatFieldPath, type FieldIssue } from "./schema/field-issue.ts";
import { shapeValue } from "./schema/shape.ts";
import { validateValue } from "./schema/validate.ts";

/** Names a kind as objects do. */
export interface KindName {
  readonly apiVersion: string;
  readonly kind: string;
}

/** The objects of a local server, worked with directly as its administrator: synchronous, and without any HTTP. */
export interface LocalObjects {
  /** The kind that objects name so, undefined if it is not served. */
  kindOf(name: KindName): ServedKind | undefined;
  /** The apiVersions under which a kind of this name is served, for helpful messages. */
  apiVersionsOf(kind: string): readonly string[];
  /** What is wrong with an object by its schema, unknown fields included. */
  check(kind: ServedKind, object: Json): readonly FieldIssue[];
  /** Server-side apply, forced. @throws MeshError as the API would answer. */
  apply(
    object: KubernetesObject,
    fieldManager: string,
  ): { readonly object: KubernetesObject; readonly isCreated: boolean };
  /** False if there was no such object. */
  delete(kind: KindName, ref: ObjectRef): boolean;
  get(kind: KindName, ref: ObjectRef): KubernetesObject | undefined;
}

/** @see LocalObjects */
export function localObjects(deps: ObjectDeps): LocalObjects {
  const scopeOf = ({ apiVersion, kind }: KindName, namespace: string | undefined): Scope => {
    const served = deps.kinds.byKind(apiVersion, kind);
    if (served === undefined)
      throw kubeErrors.create("KUBE_NOT_FOUND", `no matches for kind "${kind}" in version "${apiVersion}"`);
    return { ...systemScope(served.definition, served.definition.isNamespaced ? namespace : undefined), kind: served };
  };

  return {
    kindOf: ({ apiVersion, kind }) => deps.kinds.byKind(apiVersion, kind),
    apiVersionsOf: (kind) =>
      [...deps.kinds.all()]
        .filter((definition) => definition.kind === kind)
        .flatMap(({ group, versions }) => versions.map(({ name }) => apiVersionOf(group, name))),
    check: ({ version }, object) => {
      const { value, unknown } = shapeValue(version.schema, object);
      const unknownIssues = unknown.map((path): FieldIssue => ({
        path,
        reason: "FieldValueUnknown",
        message: `the kind has no field "${formatFieldPath(path)}"`,
      }));
      return [...unknownIssues, ...validateValue(version.schema, value)];
    },
    apply(object, fieldManager) {
      const { name, namespace } = object.metadata;
      const options = { isDryRun: false, fieldManager, fieldValidation: "Strict" } as const;
      return applyObject(deps, scopeOf(object, namespace), { name, body: asJson(object), isForced: true }, options);
    },
    delete(kind, { name, namespace }) {
      try {
        deleteObject(deps, scopeOf(kind, namespace), name, { isDryRun: false });
        return true;
      } catch (error) {
        if (kubeErrors.is(error, "KUBE_NOT_FOUND")) return false;
        throw error;
      }
    },
    get(kind, { name, namespace }) {
      const scope = scopeOf(kind, namespace);
      return deps.store.table(scopeKindId(scope)).get(objectKey({ name, namespace: scope.namespace }));
    },
  };
}
