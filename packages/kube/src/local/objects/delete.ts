// SPDX-License-Identifier: Apache-2.0
import type { ApiObject } from "./api-object.ts";
import { withMeta } from "./api-object.ts";
import { admit } from "./admission.ts";
import { isFinished } from "./finish-update.ts";
import { conflict } from "./refusals.ts";
import { scopeKindId, timestamp, type ObjectDeps, type Scope } from "./scope.ts";
import { requireObject } from "./update.ts";

/** Held by an owner until its dependents are gone (propagation "Foreground"). */
export const FOREGROUND_FINALIZER = "foregroundDeletion";
/** Held by an owner until its dependents have forgotten it (propagation "Orphan"). */
export const ORPHAN_FINALIZER = "orphan";

/** How an object is deleted; meta/v1 DeleteOptions. */
export interface DeleteOptions {
  readonly isDryRun: boolean;
  /** Undefined: as the object says. */
  readonly gracePeriodSeconds?: number | undefined;
  readonly preconditions?:
    | { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined }
    | undefined;
  readonly propagation?: "Background" | "Foreground" | "Orphan" | undefined;
}

/** What became of an object that was to be deleted. */
export interface Deletion {
  readonly object: ApiObject;
  /** False while finalizers or a grace period hold it. */
  readonly isGone: boolean;
}

/**
 * Deletes an object: at once, or by marking it when finalizers, a grace period or dependents hold it.
 * @throws MeshError KUBE_NOT_FOUND, KUBE_CONFLICT when a precondition does not hold, KUBE_FORBIDDEN by a hook.
 */
export function deleteObject(deps: ObjectDeps, scope: Scope, name: string, options: DeleteOptions): Deletion {
  const before = requireObject(deps, scope, name);
  checkPreconditions(scope, before, options);
  admit(deps, scope, { operation: "DELETE", before, isDryRun: options.isDryRun });
  const marked = markedForDeletion(deps, scope, before, options);
  if (options.isDryRun) return { object: marked, isGone: isFinished(scope.kind.definition, marked) };
  const kindId = scopeKindId(scope);
  if (isFinished(scope.kind.definition, marked)) return { object: deps.store.remove(kindId, marked), isGone: true };
  return { object: marked === before ? before : deps.store.put(kindId, marked), isGone: false };
}

function checkPreconditions(scope: Scope, { metadata }: ApiObject, { preconditions }: DeleteOptions): void {
  const wanted = preconditions ?? {};
  for (const field of ["uid", "resourceVersion"] as const) {
    if (wanted[field] !== undefined && wanted[field] !== metadata[field]) {
      const reason = `Precondition failed: ${field} in precondition: ${wanted[field]}, in object meta: ${metadata[field]}`;
      throw conflict(scope, metadata.name, reason);
    }
  }
}

function markedForDeletion(deps: ObjectDeps, scope: Scope, before: ApiObject, options: DeleteOptions): ApiObject {
  const requested = scope.kind.definition.strategy?.graceSeconds?.(before, options.gracePeriodSeconds) ?? 0;
  const remaining = before.metadata.deletionGracePeriodSeconds;
  // A second delete can only bring the end forward.
  const seconds = remaining === undefined ? requested : Math.min(remaining, requested);
  const finalizers = withPropagation(before.metadata.finalizers ?? [], options);
  const isMarked = before.metadata.deletionTimestamp !== undefined;
  if (isMarked && seconds === remaining && finalizers.length === (before.metadata.finalizers ?? []).length)
    return before;
  const { generation } = before.metadata;
  return withMeta(scope.kind.definition.strategy?.markDeleted?.(before) ?? before, {
    deletionTimestamp:
      isMarked && seconds === remaining
        ? before.metadata.deletionTimestamp
        : timestamp(deps.clock.now() + seconds * 1000),
    deletionGracePeriodSeconds: seconds,
    finalizers: finalizers.length === 0 ? undefined : finalizers,
    ...(generation !== undefined && !isMarked && { generation: generation + 1 }),
  });
}

function withPropagation(finalizers: readonly string[], { propagation }: DeleteOptions): readonly string[] {
  const added =
    propagation === "Foreground" ? FOREGROUND_FINALIZER : propagation === "Orphan" ? ORPHAN_FINALIZER : undefined;
  return added === undefined || finalizers.includes(added) ? finalizers : [...finalizers, added];
}
