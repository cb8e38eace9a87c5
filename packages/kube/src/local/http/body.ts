// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import { parse as parseYaml } from "yaml";
import { kubeErrors } from "../../errors.ts";
import type { Json } from "../../json/json.ts";
import { jsonHazard, parseForeignJson } from "../../json/limits.ts";
import { badRequest } from "../objects/refusals.ts";
import { PROTOBUF_TYPE, decodeProtobufObject } from "../protobuf/decode-object.ts";

/** What a PATCH body is. */
export type PatchType = "json" | "merge" | "strategic" | "apply";

const PATCH_TYPES: ReadonlyMap<string, PatchType> = new Map([
  ["application/json-patch+json", "json"],
  ["application/merge-patch+json", "merge"],
  ["application/strategic-merge-patch+json", "strategic"],
  ["application/apply-patch+yaml", "apply"],
]);

// Aliases can multiply a small document; objects of the API never need many.
const MAX_YAML_ALIASES = 100;

const mediaType = (contentType: string | undefined): string =>
  (contentType ?? "").split(";")[0]?.trim().toLowerCase() ?? "";

function unsupported(contentType: string | undefined, supported: Iterable<string>): Error {
  const list = [...supported].join(", ");
  const message = `the body of the request was in an unknown format (${contentType ?? "none"}) - accepted media types include: ${list}`;
  return kubeErrors.create("KUBE_UNSUPPORTED_MEDIA_TYPE", message);
}

/** @throws MeshError KUBE_UNSUPPORTED_MEDIA_TYPE when the type is none of a patch. */
export function patchTypeOf(contentType: string | undefined): PatchType {
  const type = PATCH_TYPES.get(mediaType(contentType));
  if (type === undefined) throw unsupported(contentType, PATCH_TYPES.keys());
  return type;
}

/**
 * Parses an object: JSON, YAML, or Kubernetes' protobuf as far as it is known. An absent body gives undefined.
 * @throws MeshError KUBE_UNSUPPORTED_MEDIA_TYPE (CBOR among them), KUBE_BAD_REQUEST when it does not parse.
 */
export function parseBody(body: Buffer | undefined, contentType: string | undefined): Json | undefined {
  if (body === undefined || body.length === 0) return undefined;
  const type = mediaType(contentType);
  if (type === PROTOBUF_TYPE) return decodeProtobufObject(body);
  if (type === "application/yaml") return parseYamlBody(body);
  if (type !== "" && type !== "application/json")
    throw unsupported(contentType, ["application/json", "application/yaml"]);
  return parseJsonBody(body);
}

/** Parses a patch of the given type. @throws MeshError KUBE_BAD_REQUEST when it does not parse. */
export function parsePatch(body: Buffer | undefined, type: PatchType): Json {
  if (body === undefined || body.length === 0) throw badRequest("the patch is empty");
  return type === "apply" ? parseYamlBody(body) : parseJsonBody(body);
}

function parseJsonBody(body: Buffer): Json {
  try {
    return parseForeignJson(body.toString("utf8"));
  } catch (error) {
    throw badRequest(`the body is no JSON: ${messageOf(error)}`);
  }
}

function parseYamlBody(body: Buffer): Json {
  let value: unknown;
  try {
    value = parseYaml(body.toString("utf8"), { maxAliasCount: MAX_YAML_ALIASES, logLevel: "error" });
  } catch (error) {
    throw badRequest(`the body is no YAML: ${messageOf(error)}`);
  }
  const hazard = jsonHazard(value);
  if (hazard !== undefined) throw badRequest(`the body can't be used: ${hazard}`);
  return value as Json;
}
