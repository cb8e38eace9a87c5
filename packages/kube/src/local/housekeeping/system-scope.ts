// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";
import { kindId, type KindDefinition } from "../kinds/kind.ts";
import { withMeta, type ApiObject } from "../objects/api-object.ts";
import { deleteObject } from "../objects/delete.ts";
import { isFinished } from "../objects/finish-update.ts";
import type { ObjectDeps, Scope, UserInfo } from "../objects/scope.ts";

/** Who the server is when it acts by itself. */
const SYSTEM_USER: UserInfo = { username: "system:apiserver", groups: ["system:masters"] };

/** A scope for the server's own operations on a kind. */
export function systemScope(definition: KindDefinition, namespace: string | undefined): Scope {
  return { kind: { definition, version: definition.versions[0] }, namespace, user: SYSTEM_USER, warn: () => {} };
}

/** Deletes an object that may be gone already; what forbids it is left standing, as it is the hooks' right. */
export function deleteQuietly(deps: ObjectDeps, definition: KindDefinition, object: ApiObject): void {
  if (object.metadata.deletionTimestamp !== undefined) return;
  const { name, namespace } = object.metadata;
  try {
    deleteObject(deps, systemScope(definition, namespace), name, { isDryRun: false });
  } catch (error) {
    if (!kubeErrors.is(error, "KUBE_NOT_FOUND")) throw error;
  }
}

/** Stores an object that the server itself changed, or removes it if that was the last thing that held it. */
export function settle(deps: ObjectDeps, definition: KindDefinition, object: ApiObject): void {
  if (isFinished(definition, object)) deps.store.remove(kindId(definition), object);
  else deps.store.put(kindId(definition), object);
}

/** Takes a finalizer off an object. */
export function releaseFinalizer(
  deps: ObjectDeps,
  definition: KindDefinition,
  object: ApiObject,
  finalizer: string,
): void {
  const rest = (object.metadata.finalizers ?? []).filter((held) => held !== finalizer);
  settle(deps, definition, withMeta(object, { finalizers: rest.length === 0 ? undefined : rest }));
}
