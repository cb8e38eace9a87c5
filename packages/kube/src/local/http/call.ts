// SPDX-License-Identifier: Apache-2.0
import type { MeshError } from "@ambientmesh/core";
import { kubeErrors } from "../../errors.ts";
import type { Json, JsonObject } from "../../json/json.ts";
import type { ApiObject } from "../objects/api-object.ts";
import { badRequest } from "../objects/refusals.ts";
import type { Scope, WriteOptions } from "../objects/scope.ts";
import type { ApiDeps, ApiRequest, ApiResponse } from "./api-request.ts";
import { parseBody } from "./body.ts";
import { writeOptions } from "./query.ts";
import { includeObject, renderObject, type View } from "./render.ts";
import { representationOf } from "./representation.ts";
import type { ResourcePath } from "./request-path.ts";

/** A request whose kind is known: what handlers of objects and collections get. */
export interface ApiCall {
  readonly deps: ApiDeps;
  readonly request: ApiRequest;
  readonly path: ResourcePath;
  readonly scope: Scope;
  /** Filled by the scope's `warn`. */
  readonly warnings: readonly string[];
}

/** @throws MeshError KUBE_BAD_REQUEST when there is no body. */
export function requireBody({ request }: ApiCall): Json {
  const body = parseBody(request.body, request.contentType);
  if (body === undefined) throw badRequest("the request needs a body");
  return body;
}

export function writeOptionsOf({ request }: ApiCall): WriteOptions {
  return writeOptions(request.query, request.userAgent);
}

/** How this caller wants to see objects. */
export function viewOf({ deps, request, scope }: ApiCall): View {
  return {
    scope,
    representation: representationOf(request.accept),
    include: includeObject(request.query),
    nowMs: deps.clock.now(),
  };
}

/** An object as the caller wants to see it. */
export function answerObject(call: ApiCall, object: ApiObject, httpStatus = 200): ApiResponse {
  return answer(call, renderObject(viewOf(call), object), httpStatus);
}

/** An answer with the warnings of the kind and of the call. */
export function answer({ scope, warnings }: ApiCall, body: JsonObject, httpStatus = 200): ApiResponse {
  const { warning } = scope.kind.version;
  return { httpStatus, body, warnings: warning === undefined ? warnings : [warning, ...warnings] };
}

export function methodNotAllowed(method: string): MeshError {
  return kubeErrors.create(
    "KUBE_METHOD_NOT_ALLOWED",
    `the server does not allow the method ${method} on the requested resource`,
  );
}

/** There is no such kind or subresource. */
export function noSuchResource(): MeshError {
  return kubeErrors.create("KUBE_NOT_FOUND", "the server could not find the requested resource");
}
