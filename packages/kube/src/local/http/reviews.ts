// SPDX-License-Identifier: Apache-2.0
import {
  isJsonArray,
  isJsonObject,
  jsonAt,
  jsonText,
  withFields,
  type Json,
  type JsonObject,
} from "../../json/json.ts";
import { asJson } from "../objects/api-object.ts";
import { badRequest } from "../objects/refusals.ts";
import type { UserInfo } from "../objects/scope.ts";
import type { ApiDeps, ApiRequest, ApiResponse } from "./api-request.ts";
import { parseBody } from "./body.ts";
import { methodNotAllowed } from "./call.ts";
import type { ResourcePath } from "./request-path.ts";

/** A kind that is only asked and never stored. */
export interface ReviewKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly answer: (deps: ApiDeps, spec: JsonObject, user: UserInfo) => JsonObject;
}

const userJson = (user: UserInfo): JsonObject => asJson({ ...user });

function reviewToken({ authenticator }: ApiDeps, spec: JsonObject): JsonObject {
  const token = jsonText(spec["token"]);
  if (token === "") throw badRequest("spec.token is required");
  const audiences = isJsonArray(spec["audiences"]) ? spec["audiences"].map((audience) => jsonText(audience)) : [];
  const verified = authenticator.ofToken(token, audiences);
  if (verified === undefined)
    return { user: {}, error: "the token is not valid here, for these audiences, or any more" };
  return { authenticated: true, user: userJson(verified.user), audiences: verified.audiences };
}

// Whoever is known may do everything: the local server has no RBAC.
const allowed = (): JsonObject => ({
  allowed: true,
  reason: "the local server lets authenticated users do everything",
});

/** The reviews that the server answers. */
export const reviewKinds: readonly ReviewKind[] = [
  { group: "authentication.k8s.io", version: "v1", kind: "TokenReview", plural: "tokenreviews", answer: reviewToken },
  {
    group: "authentication.k8s.io",
    version: "v1",
    kind: "SelfSubjectReview",
    plural: "selfsubjectreviews",
    answer: (_deps, _spec, user) => ({ userInfo: userJson(user) }),
  },
  {
    group: "authorization.k8s.io",
    version: "v1",
    kind: "SelfSubjectAccessReview",
    plural: "selfsubjectaccessreviews",
    answer: allowed,
  },
  {
    group: "authorization.k8s.io",
    version: "v1",
    kind: "SubjectAccessReview",
    plural: "subjectaccessreviews",
    answer: allowed,
  },
];

/** The review that a path names, if any. */
export function reviewKindOf({ group, version, plural }: ResourcePath): ReviewKind | undefined {
  return reviewKinds.find((kind) => kind.group === group && kind.version === version && kind.plural === plural);
}

/** Answers a review: the object that was sent, with its status. */
export function answerReview(deps: ApiDeps, kind: ReviewKind, request: ApiRequest): ApiResponse {
  if (request.method !== "POST") throw methodNotAllowed(request.method);
  const body: Json | undefined = parseBody(request.body, request.contentType);
  if (!isJsonObject(body)) throw badRequest("a review must be an object");
  const spec = jsonAt(body, "spec");
  const status = kind.answer(deps, isJsonObject(spec) ? spec : {}, request.user);
  const identity = { apiVersion: `${kind.group}/${kind.version}`, kind: kind.kind };
  return { httpStatus: 201, body: withFields(body, { ...identity, status }), warnings: [] };
}
