// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";
import { createObject } from "../objects/create.ts";
import { deleteObject } from "../objects/delete.ts";
import { scopeKindId, type Scope } from "../objects/scope.ts";
import type { Page } from "../store/list-pages.ts";
import { selectionOf, type Selection } from "../store/selection.ts";
import type { ApiDeps, ApiRequest, ApiResponse } from "./api-request.ts";
import { parseBody } from "./body.ts";
import { answer, answerObject, methodNotAllowed, requireBody, viewOf, writeOptionsOf, type ApiCall } from "./call.ts";
import { count, deleteOptions, resourceVersion } from "./query.ts";
import { renderList } from "./render.ts";

/** A collection: GET (list), POST (create), DELETE (all that is selected). */
export function handleCollection(call: ApiCall): ApiResponse {
  const { deps, request, scope } = call;
  const isPlaced = scope.namespace !== undefined || !scope.kind.definition.isNamespaced;
  switch (request.method) {
    case "GET":
      return answer(call, renderList(viewOf(call), listPage(deps, scope, request)));
    case "POST":
      if (!isPlaced) break;
      return answerObject(call, createObject(deps, scope, requireBody(call), writeOptionsOf(call)), 201);
    case "DELETE":
      if (!isPlaced) break;
      return deleteSelected(call);
    default:
  }
  throw methodNotAllowed(request.method);
}

/** The selection of a list or watch request. */
export function requestedSelection(scope: Scope, query: URLSearchParams): Selection {
  return selectionOf(scope.kind.definition, {
    namespace: scope.namespace,
    labelSelector: query.get("labelSelector") ?? undefined,
    fieldSelector: query.get("fieldSelector") ?? undefined,
  });
}

/** @throws MeshError KUBE_TIMEOUT when a version from the future is asked for: of another server, or of one before a restart. */
export function refuseFutureVersion({ store }: ApiDeps, version: number | undefined): void {
  if (version === undefined || version <= store.resourceVersion) return;
  throw kubeErrors.create("KUBE_TIMEOUT", `Too large resource version: ${version}, current: ${store.resourceVersion}`, {
    details: {
      retryAfterMs: 1000,
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version", field: "" }],
    },
  });
}

function listPage(deps: ApiDeps, scope: Scope, { query }: ApiRequest): Page {
  const limit = count(query, "limit") ?? 0;
  const token = query.get("continue") ?? "";
  if (token !== "") return deps.pages.next(token, limit);
  const version = resourceVersion(query);
  refuseFutureVersion(deps, version);
  const isExact = query.get("resourceVersionMatch") === "Exact";
  if (isExact && version !== undefined && version !== deps.store.resourceVersion) {
    throw kubeErrors.create("KUBE_EXPIRED", `The provided resource version ${version} is no longer available`);
  }
  const selection = requestedSelection(scope, query);
  const items = deps.store.table(scopeKindId(scope)).list(scope.namespace).filter(selection.matches);
  return deps.pages.begin({ items, resourceVersion: deps.store.resourceVersion }, limit);
}

function deleteSelected(call: ApiCall): ApiResponse {
  const { deps, request, scope } = call;
  const options = deleteOptions(request.query, parseBody(request.body, request.contentType));
  const page = listPage(deps, scope, request);
  for (const object of page.items) {
    deleteObject(deps, { ...scope, namespace: object.metadata.namespace }, object.metadata.name, options);
  }
  return answer(call, renderList(viewOf(call), page));
}
