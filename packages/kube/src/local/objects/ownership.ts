// SPDX-License-Identifier: Apache-2.0
import { managersAfterUpdate, type ManagedWrite } from "../apply/field-manager.ts";
import { decodeManagers, encodeManagers, type ManagerIdentity, type Managers } from "../apply/managed-fields.ts";
import { asJson, withMeta, type ApiObject } from "./api-object.ts";
import { timestamp, type ObjectDeps, type Scope, type WriteOptions } from "./scope.ts";

/** What the field manager has to know of a write. */
export function managedWrite(
  deps: ObjectDeps,
  scope: Scope,
  managers: Managers,
  identity: Pick<ManagerIdentity, "manager" | "operation" | "apiVersion">,
): ManagedWrite {
  return {
    schema: scope.kind.version.schema,
    identity: { ...identity, subresource: scope.subresource },
    managers,
    time: timestamp(deps.clock.now()),
    ignored: ignoredFields(scope),
  };
}

function ignoredFields(scope: Scope): readonly (readonly string[])[] {
  const { definition, version } = scope.kind;
  if (scope.subresource === undefined) return definition.hasStatus === true ? [["f:status"]] : [];
  const fields = Object.keys(version.schema.properties ?? {}).filter(
    (field) => field !== "status" && field !== "metadata",
  );
  return [
    ...fields.map((field) => [`f:${field}`]),
    ...(definition.statusWritesMetadata === true ? [] : [["f:metadata"]]),
  ];
}

/** The object with managedFields that tell who owns what after this update. */
export function trackUpdate(
  deps: ObjectDeps,
  scope: Scope,
  {
    before,
    after,
    options,
  }: { readonly before?: ApiObject; readonly after: ApiObject; readonly options: WriteOptions },
): ApiObject {
  // What the client wrote into managedFields counts, so that it can hand over ownership; leaving it out keeps it.
  const given = scope.subresource === undefined ? after.metadata.managedFields : undefined;
  const previous = given === undefined || given.length === 0 ? before?.metadata.managedFields : given;
  const identity = { manager: options.fieldManager, operation: "Update", apiVersion: after.apiVersion } as const;
  const write = managedWrite(deps, scope, decodeManagers(previous), identity);
  const managers = managersAfterUpdate(write, before === undefined ? {} : asJson(before), asJson(after));
  return withMeta(after, { managedFields: encodeManagers(managers) });
}
