// SPDX-License-Identifier: Apache-2.0
import { asJson, asObject, type ApiObject } from "./api-object.ts";
import { forbidden } from "./refusals.ts";
import type { AdmissionRequest, ObjectDeps, Scope } from "./scope.ts";

/** Asks every hook in turn; each sees what the one before made of the object. */
export function admit(
  deps: ObjectDeps,
  scope: Scope,
  request: Pick<AdmissionRequest, "operation" | "object" | "before" | "isDryRun">,
): ApiObject | undefined {
  let { object } = request;
  for (const hook of deps.admission) {
    const outcome = hook({
      ...request,
      ...(object !== undefined && { object }),
      kind: scope.kind,
      user: scope.user,
      ...(scope.subresource !== undefined && { subresource: scope.subresource }),
    });
    if (!outcome.isAllowed) {
      const name = (object ?? request.before)?.metadata.name ?? "";
      throw forbidden(scope, name, outcome.message);
    }
    for (const warning of outcome.warnings ?? []) scope.warn(warning);
    object = outcome.object ?? object;
  }
  return object === undefined ? undefined : asObject(asJson(object));
}
