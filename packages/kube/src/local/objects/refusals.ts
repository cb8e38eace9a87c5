// SPDX-License-Identifier: Apache-2.0
import type { MeshError } from "@ambientmesh/core";
import { kubeErrors } from "../../errors.ts";
import { causeOf, type FieldIssue } from "../schema/field-issue.ts";
import type { Scope } from "./scope.ts";
import { scopeKindId } from "./scope.ts";

// The refusals of the API, in the words that users of Kubernetes know.

function target(scope: Scope, name: string): Record<string, unknown> {
  const { group, plural } = scope.kind.definition;
  return { name, group, kind: plural };
}

export function notFound(scope: Scope, name: string): MeshError {
  return kubeErrors.create("KUBE_NOT_FOUND", `${scopeKindId(scope)} "${name}" not found`, {
    details: target(scope, name),
  });
}

export function alreadyExists(scope: Scope, name: string): MeshError {
  const message = `${scopeKindId(scope)} "${name}" already exists`;
  return kubeErrors.create("KUBE_ALREADY_EXISTS", message, { details: target(scope, name) });
}

export function conflict(scope: Scope, name: string, reason: string): MeshError {
  const message = `Operation cannot be fulfilled on ${scopeKindId(scope)} "${name}": ${reason}`;
  return kubeErrors.create("KUBE_CONFLICT", message, { details: target(scope, name) });
}

export function forbidden(scope: Scope, name: string, reason: string): MeshError {
  const message = `${scopeKindId(scope)} "${name}" is forbidden: ${reason}`;
  return kubeErrors.create("KUBE_FORBIDDEN", message, { details: target(scope, name) });
}

export function badRequest(message: string): MeshError {
  return kubeErrors.create("KUBE_BAD_REQUEST", message);
}

/** Invalid, with one cause per issue; `details.issues` keeps the paths for whoever can show positions. */
export function invalid(scope: Scope, name: string, issues: readonly FieldIssue[]): MeshError {
  const causes = issues.map(causeOf);
  const list = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const { group, kind } = scope.kind.definition;
  const title = `${kind}${group === "" ? "" : `.${group}`} "${name}" is invalid`;
  const text = list.length === 1 ? list[0] : `[${list.join(", ")}]`;
  return kubeErrors.create("KUBE_INVALID", `${title}: ${text}`, { details: { name, group, kind, causes, issues } });
}
