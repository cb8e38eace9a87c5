// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";
import type { FieldIssue } from "../schema/field-issue.ts";
import type { ApiObject } from "./api-object.ts";
import { metadataIssues } from "./metadata.ts";
import { forbidden, invalid } from "./refusals.ts";
import type { ObjectDeps, Scope } from "./scope.ts";

/** @throws MeshError KUBE_INVALID with everything that is wrong with the object beyond its schema. */
export function validateObject(scope: Scope, object: ApiObject, before?: ApiObject): void {
  const { definition } = scope.kind;
  const issues: readonly FieldIssue[] = [
    ...metadataIssues(definition, object),
    ...(definition.strategy?.validate?.(object, before) ?? []),
  ];
  if (issues.length > 0) throw invalid(scope, object.metadata.name, issues);
}

/**
 * @throws MeshError KUBE_NOT_FOUND when the namespace does not exist, KUBE_FORBIDDEN when it is being deleted.
 */
export function requireNamespace(deps: ObjectDeps, scope: Scope, name: string): void {
  if (scope.namespace === undefined) return;
  const namespace = deps.store.table("namespaces").get(scope.namespace);
  if (namespace === undefined) {
    const details: Record<string, unknown> = { name: scope.namespace, group: "", kind: "namespaces" };
    throw kubeErrors.create("KUBE_NOT_FOUND", `namespaces "${scope.namespace}" not found`, { details });
  }
  if (namespace.metadata.deletionTimestamp !== undefined) {
    const reason = `unable to create new content in namespace ${scope.namespace} because it is being terminated`;
    throw forbidden(scope, name, reason);
  }
}
