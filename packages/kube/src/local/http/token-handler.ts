// SPDX-License-Identifier: Apache-2.0
import type { TokenRequest } from "@ambientmesh/api/kubernetes";
import { isJsonObject, jsonAt, type Json } from "../../json/json.ts";
import { int64, listOf, object, text } from "../kinds/schemas/build.ts";
import { asJson } from "../objects/api-object.ts";
import { invalid } from "../objects/refusals.ts";
import type { Schema } from "../schema/schema.ts";
import { validateValue } from "../schema/validate.ts";
import type { ApiResponse } from "./api-request.ts";
import { answer, methodNotAllowed, requireBody, type ApiCall } from "./call.ts";

const tokenRequest: Schema = object({
  spec: object({
    audiences: listOf(text),
    expirationSeconds: int64,
    boundObjectRef: {
      ...object({ kind: text, apiVersion: text, name: text, uid: text }, ["kind", "name"]),
      nullable: true,
    },
  }),
});

/** POST serviceaccounts/NAME/token: answers a TokenRequest. */
export function handleTokenRequest(call: ApiCall, name: string): ApiResponse {
  const { deps, request, scope } = call;
  if (request.method !== "POST") throw methodNotAllowed(request.method);
  const body: Json = requireBody(call);
  const issues = validateValue(tokenRequest, body);
  if (issues.length > 0 || !isJsonObject(body)) throw invalid(scope, name, issues);
  const spec = (jsonAt(body, "spec") ?? {}) as unknown as TokenRequest["spec"];
  const bound = spec.boundObjectRef ?? undefined;
  const status = deps.tokens.issue(scope, name, { ...spec, ...(bound === undefined ? {} : { boundObjectRef: bound }) });
  const metadata = asJson({ name, namespace: scope.namespace });
  const identity = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest" };
  return answer(call, { ...body, ...identity, metadata, status: asJson(status) }, 201);
}
