// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from "../../json/json.ts";
import { asJson, type ApiObject } from "../objects/api-object.ts";
import { badRequest } from "../objects/refusals.ts";
import { inScopeVersion, scopeApiVersion, type Scope } from "../objects/scope.ts";
import type { Page } from "../store/list-pages.ts";
import { partialMetadata, tableOf, type IncludeObject } from "../table/table.ts";
import type { Representation } from "./representation.ts";

/** In which form objects are shown. */
export interface View {
  readonly scope: Scope;
  readonly representation: Representation;
  readonly include: IncludeObject;
  readonly nowMs: number;
}

/** @throws MeshError KUBE_BAD_REQUEST when `includeObject` is none of None, Metadata, Object. */
export function includeObject(query: URLSearchParams): IncludeObject {
  const include = query.get("includeObject") ?? "Metadata";
  if (include === "None" || include === "Metadata" || include === "Object") return include;
  throw badRequest(`includeObject: "${include}" is none of None, Metadata, Object`);
}

/** One object. `hasColumns` is false for the later rows of a watch. */
export function renderObject(view: View, object: ApiObject, hasColumns = true): JsonObject {
  const shown = inScopeVersion(view.scope, object);
  switch (view.representation) {
    case "object":
      return asJson(shown);
    case "metadata":
      return partialMetadata(shown);
    case "table":
      return tableOf([shown], { resourceVersion: object.metadata.resourceVersion }, tableOptions(view, hasColumns));
  }
}

/** One page of a list. */
export function renderList(view: View, page: Page): JsonObject {
  const metadata: JsonObject = {
    resourceVersion: String(page.resourceVersion),
    ...(page.continueToken !== undefined && { continue: page.continueToken, remainingItemCount: page.remaining }),
  };
  const items = page.items.map((object) => inScopeVersion(view.scope, object));
  switch (view.representation) {
    case "object": {
      const kind = `${view.scope.kind.definition.kind}List`;
      return { kind, apiVersion: scopeApiVersion(view.scope), metadata, items: items.map(asJson) };
    }
    case "metadata": {
      const kind = "PartialObjectMetadataList";
      return { kind, apiVersion: "meta.k8s.io/v1", metadata, items: items.map(partialMetadata) };
    }
    case "table":
      return tableOf(items, metadata, tableOptions(view, true));
  }
}

function tableOptions(view: View, hasColumns: boolean): Parameters<typeof tableOf>[2] {
  return { columns: view.scope.kind.version.columns, include: view.include, nowMs: view.nowMs, hasColumns };
}
