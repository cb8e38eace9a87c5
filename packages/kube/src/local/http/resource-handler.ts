// SPDX-License-Identifier: Apache-2.0
import type { ServedKind } from "../kinds/kind-registry.ts";
import { requireObject } from "../objects/update.ts";
import { applyJsonPatch } from "../patch/json-patch.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import type { ApiDeps, ApiRequest, ApiResponse } from "./api-request.ts";
import { parsePatch, patchTypeOf } from "./body.ts";
import { answer, methodNotAllowed, noSuchResource, requireBody, writeOptionsOf, type ApiCall } from "./call.ts";
import { handleCollection } from "./collection-handler.ts";
import { handleObject } from "./object-handler.ts";
import { flag } from "./query.ts";
import { parseResourcePath, type ResourcePath } from "./request-path.ts";
import { answerReview, reviewKindOf } from "./reviews.ts";
import { scaleOf, writeScale } from "./scale.ts";
import { handleTokenRequest } from "./token-handler.ts";
import { prepareWatch, type PreparedWatch, type WatchOptions } from "./watch-handler.ts";

/** What became of a request: an answer, or a stream to be fed. */
export type Handled =
  | { readonly kind: "answer"; readonly response: ApiResponse }
  | { readonly kind: "watch"; readonly watch: PreparedWatch };

/**
 * Handles a request for objects (everything under /api/VERSION and /apis/GROUP/VERSION).
 * @throws MeshError with a KUBE_* code for every refusal.
 */
export function handleResource(deps: ApiDeps, request: ApiRequest, watches: WatchOptions): Handled {
  const path = parseResourcePath(request.pathname);
  if (path === undefined) throw noSuchResource();
  const review = reviewKindOf(path);
  if (review !== undefined) return { kind: "answer", response: answerReview(deps, review, request) };
  const kind = deps.kinds.byPlural(path.group, path.version, path.plural);
  if (kind === undefined) throw noSuchResource();
  const call = callOf({ deps, request, path, kind });
  if (request.method === "GET" && flag(request.query, "watch") && path.subresource === undefined) {
    return { kind: "watch", watch: prepareWatch(call, watches) };
  }
  return { kind: "answer", response: dispatch(call) };
}

function callOf({
  deps,
  request,
  path,
  kind,
}: Pick<ApiCall, "deps" | "request" | "path"> & { readonly kind: ServedKind }): ApiCall {
  const { isNamespaced, hasStatus } = kind.definition;
  if (path.namespace !== undefined && !isNamespaced) throw noSuchResource();
  if (path.subresource === "status" && hasStatus !== true) throw noSuchResource();
  const warnings: string[] = [];
  const scope = {
    kind,
    namespace: path.namespace,
    subresource: path.subresource === "status" ? ("status" as const) : undefined,
    user: request.user,
    warn: (text: string) => void warnings.push(text),
  };
  return { deps, request, path, scope, warnings };
}

function dispatch(call: ApiCall): ApiResponse {
  const { name, namespace, subresource } = call.path;
  const { definition } = call.scope.kind;
  if (name === undefined) return handleCollection(call);
  if (definition.isNamespaced && namespace === undefined) throw noSuchResource();
  if (subresource === undefined || subresource === "status") return handleObject(call, name);
  if (subresource === "scale" && definition.hasScale === true) return handleScale(call, name);
  if (isTokenPath(call.path)) return handleTokenRequest(call, name);
  throw noSuchResource();
}

function isTokenPath({ group, plural, subresource }: ResourcePath): boolean {
  return group === "" && plural === "serviceaccounts" && subresource === "token";
}

function handleScale(call: ApiCall, name: string): ApiResponse {
  const { deps, request, scope } = call;
  const before = requireObject(deps, scope, name);
  if (request.method === "GET") return answer(call, scaleOf(before));
  if (request.method !== "PUT" && request.method !== "PATCH") throw methodNotAllowed(request.method);
  const scale = request.method === "PUT" ? requireBody(call) : patchedScale(call, scaleOf(before));
  return answer(call, scaleOf(writeScale(deps, scope, { before, scale }, writeOptionsOf(call))));
}

function patchedScale({ request }: ApiCall, scale: ReturnType<typeof scaleOf>): ReturnType<typeof applyMergePatch> {
  const type = patchTypeOf(request.contentType);
  const patch = parsePatch(request.body, type);
  return type === "json" ? applyJsonPatch(scale, patch) : applyMergePatch(scale, patch);
}
