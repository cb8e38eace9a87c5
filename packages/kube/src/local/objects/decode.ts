// SPDX-License-Identifier: Apache-2.0
import { isJsonObject, jsonText, withFields, type Json, type JsonObject } from "../../json/json.ts";
import { formatFieldPath } from "../schema/field-issue.ts";
import { shapeValue } from "../schema/shape.ts";
import { validateValue } from "../schema/validate.ts";
import { asObject, type ApiObject } from "./api-object.ts";
import { badRequest, invalid } from "./refusals.ts";
import { scopeApiVersion, storedApiVersion, type Scope, type WriteOptions } from "./scope.ts";

/** How an object from outside is read. */
export interface DecodeOptions {
  readonly fieldValidation: WriteOptions["fieldValidation"];
  /** False for applied configurations, whose manager owns only what it names. Default true. */
  readonly fillDefaults?: boolean;
}

/**
 * Reads an object from outside as {@link decodeObject} does, without the checks of types and rules: for applied
 * configurations, of which only the merged result has to be valid.
 */
export function shapeObject(scope: Scope, body: Json, options: DecodeOptions): ApiObject {
  return asObject(shapeFields(scope, body, options));
}

/**
 * Reads an object from outside: its kind has to be the one of the request; unknown fields are dropped and reported,
 * defaults filled in, types and the schema's rules checked. The result has the stored apiVersion.
 *
 * @throws MeshError KUBE_BAD_REQUEST when it is no object of the kind, KUBE_INVALID with a cause per broken rule.
 */
export function decodeObject(scope: Scope, body: Json, options: DecodeOptions): ApiObject {
  const shaped = shapeFields(scope, body, options);
  const metadata = isJsonObject(shaped["metadata"]) ? shaped["metadata"] : {};
  const issues = validateValue(scope.kind.version.schema, shaped);
  if (issues.length === 0) return asObject(shaped);
  throw invalid(scope, jsonText(metadata["name"], jsonText(metadata["generateName"])), issues);
}

function shapeFields(scope: Scope, body: Json, options: DecodeOptions): JsonObject {
  const { definition, version } = scope.kind;
  if (!isJsonObject(body)) throw badRequest("the body must be an object");
  const { apiVersion = scopeApiVersion(scope), kind = definition.kind } = body as Readonly<
    Record<string, Json | undefined>
  >;
  if (apiVersion !== scopeApiVersion(scope) || kind !== definition.kind) {
    const given = `${jsonText(apiVersion)} ${jsonText(kind)}`;
    throw badRequest(`the object is a ${given}, but the request is about ${scopeApiVersion(scope)} ${definition.kind}`);
  }
  const metadata = withFields(isJsonObject(body["metadata"]) ? body["metadata"] : {}, namespaceField(scope, body));
  const complete = withFields(body, { apiVersion: storedApiVersion(scope), kind, metadata });
  const { value, unknown } = shapeValue(version.schema, complete, options.fillDefaults ?? true);
  report(scope, unknown.map(formatFieldPath), options.fieldValidation);
  return isJsonObject(value) ? value : complete;
}

function namespaceField(scope: Scope, body: Json): { readonly namespace: Json | undefined } {
  const given = isJsonObject(body) && isJsonObject(body["metadata"]) ? body["metadata"]["namespace"] : undefined;
  if (!scope.kind.definition.isNamespaced) return { namespace: undefined };
  if (given !== undefined && given !== null && given !== "" && given !== scope.namespace) {
    throw badRequest(
      `the namespace of the object (${jsonText(given)}) does not match the namespace of the request (${scope.namespace})`,
    );
  }
  return { namespace: scope.namespace };
}

// As many as fit into headers without trouble.
const MAX_WARNINGS = 10;

function report(scope: Scope, unknown: readonly string[], validation: WriteOptions["fieldValidation"]): void {
  if (unknown.length === 0 || validation === "Ignore") return;
  const texts = unknown.slice(0, MAX_WARNINGS).map((field) => `unknown field "${field}"`);
  if (validation === "Strict") {
    const { kind } = scope.kind.definition;
    throw badRequest(
      `${kind} in version "${scope.kind.version.name}" cannot be handled: strict decoding error: ${texts.join(", ")}`,
    );
  }
  for (const text of texts) scope.warn(text);
}
