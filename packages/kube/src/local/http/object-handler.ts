// SPDX-License-Identifier: Apache-2.0
import { asJson } from "../objects/api-object.ts";
import { deleteObject, type Deletion } from "../objects/delete.ts";
import { applyObject, patchObject, replaceObject, requireObject } from "../objects/update.ts";
import type { ApiResponse } from "./api-request.ts";
import { parseBody, parsePatch, patchTypeOf } from "./body.ts";
import { answer, answerObject, methodNotAllowed, requireBody, writeOptionsOf, type ApiCall } from "./call.ts";
import { deleteOptions, flag } from "./query.ts";
import { invalid } from "../objects/refusals.ts";
import { kubeErrors } from "../../errors.ts";

/** One object or its status: GET, PUT, PATCH, DELETE. */
export function handleObject(call: ApiCall, name: string): ApiResponse {
  const { deps, request, scope } = call;
  switch (request.method) {
    case "GET":
      return answerObject(call, requireObject(deps, scope, name));
    case "PUT":
      return answerObject(call, replaceObject(deps, scope, { name, body: requireBody(call) }, writeOptionsOf(call)));
    case "PATCH":
      return handlePatch(call, name);
    case "DELETE":
      if (scope.subresource === undefined) return handleDelete(call, name);
      break;
    default:
  }
  throw methodNotAllowed(request.method);
}

function handlePatch(call: ApiCall, name: string): ApiResponse {
  const { deps, request, scope } = call;
  const type = patchTypeOf(request.contentType);
  const body = parsePatch(request.body, type);
  if (type === "apply") {
    if ((request.query.get("fieldManager") ?? "") === "") {
      const message = "is required for apply patch";
      throw invalid(scope, name, [{ path: ["fieldManager"], reason: "FieldValueRequired", message }]);
    }
    const applied = { name, body, isForced: flag(request.query, "force") };
    const { object, isCreated } = applyObject(deps, scope, applied, writeOptionsOf(call));
    return answerObject(call, object, isCreated ? 201 : 200);
  }
  if (type === "strategic" && scope.kind.definition.hasStrategicMerge !== true) {
    const message = `${scope.kind.definition.kind} takes no strategic merge patches; use a merge patch or apply`;
    throw kubeErrors.create("KUBE_UNSUPPORTED_MEDIA_TYPE", message);
  }
  return answerObject(call, patchObject(deps, scope, { name, patch: { type, body } }, writeOptionsOf(call)));
}

function handleDelete(call: ApiCall, name: string): ApiResponse {
  const { deps, request, scope } = call;
  const options = deleteOptions(request.query, parseBody(request.body, request.contentType));
  return answerDeletion(call, deleteObject(deps, scope, name, options));
}

/** What is gone is confirmed by a Status with its uid; what goes later is shown as it is now. */
function answerDeletion(call: ApiCall, { object, isGone }: Deletion): ApiResponse {
  if (!isGone) return answerObject(call, object);
  const { group, plural } = call.scope.kind.definition;
  const { name, uid } = object.metadata;
  return answer(call, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: asJson({ name, ...(group !== "" && { group }), kind: plural, uid }),
  });
}
