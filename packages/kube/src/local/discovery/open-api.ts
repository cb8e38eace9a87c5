// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { JsonObject } from "../../json/json.ts";
import { asJson } from "../objects/api-object.ts";
import type { DiscoveredKind, DiscoveredVersion } from "./groups.ts";
import { VERSION_INFO } from "./documents.ts";

const INFO: JsonObject = { title: "Kubernetes (local)", version: VERSION_INFO["gitVersion"] };

/** The URL prefix of a version, without the leading slash: "api/v1", "apis/apps/v1". */
function rootOf({ group, apiVersion }: DiscoveredVersion): string {
  return group === "" ? `api/${apiVersion}` : `apis/${apiVersion}`;
}

/** GET /openapi/v3: where the documents of the versions are. The hash lets clients cache them. */
export function openApiIndex(versions: readonly DiscoveredVersion[]): JsonObject {
  return {
    paths: Object.fromEntries(
      versions.map((version) => {
        const root = rootOf(version);
        const hash = createHash("sha256")
          .update(JSON.stringify(openApiV3(version)))
          .digest("hex")
          .toUpperCase();
        return [root, { serverRelativeURL: `/openapi/v3/${root}?hash=${hash}` }];
      }),
    ),
  };
}

/** GET /openapi/v3/ROOT; undefined if there is no such version. */
export function openApiOf(versions: readonly DiscoveredVersion[], root: string): JsonObject | undefined {
  const version = versions.find((candidate) => rootOf(candidate) === root);
  return version === undefined ? undefined : openApiV3(version);
}

function openApiV3(version: DiscoveredVersion): JsonObject {
  const kinds = version.kinds.filter((kind) => kind.version !== undefined);
  return {
    openapi: "3.0.0",
    info: INFO,
    paths: Object.fromEntries(kinds.flatMap((kind) => pathsOf(version, kind))),
    components: {
      schemas: Object.fromEntries(kinds.map((kind) => [schemaName(version, kind), schemaOf(version, kind)])),
    },
  };
}

/** GET /openapi/v2: the schemas alone, for clients that know only this version. */
export function openApiV2(versions: readonly DiscoveredVersion[]): JsonObject {
  const definitions = versions.flatMap((version) =>
    version.kinds
      .filter((kind) => kind.version !== undefined)
      .map((kind): [string, JsonObject] => [schemaName(version, kind), schemaOf(version, kind)]),
  );
  return { swagger: "2.0", info: INFO, paths: {}, definitions: Object.fromEntries(definitions) };
}

function schemaName({ group, version }: DiscoveredVersion, { kind }: DiscoveredKind): string {
  const domain = group === "" ? "core" : group;
  return `${domain.split(".").toReversed().join(".")}.${version}.${kind}`;
}

function schemaOf({ group, version }: DiscoveredVersion, { kind, version: served }: DiscoveredKind): JsonObject {
  return { ...asJson(served?.schema ?? {}), "x-kubernetes-group-version-kind": [{ group, version, kind }] };
}

const queryParameter = (name: string, type: string): JsonObject => ({ name, in: "query", schema: { type } });
const WRITE_PARAMETERS = [
  queryParameter("dryRun", "string"),
  queryParameter("fieldManager", "string"),
  queryParameter("fieldValidation", "string"),
];

function pathsOf(version: DiscoveredVersion, kind: DiscoveredKind): readonly (readonly [string, JsonObject])[] {
  const collection = `/${rootOf(version)}/${kind.isNamespaced ? "namespaces/{namespace}/" : ""}${kind.plural}`;
  const operation = operationOf(version, kind);
  const collectionItem = {
    get: operation("list"),
    post: operation("post", WRITE_PARAMETERS),
    delete: operation("deletecollection"),
  };
  const patchTypes = ["json-patch+json", "merge-patch+json", "apply-patch+yaml"].concat(
    kind.definition?.hasStrategicMerge === true ? ["strategic-merge-patch+json"] : [],
  );
  const content = Object.fromEntries(patchTypes.map((type) => [`application/${type}`, { schema: { type: "object" } }]));
  const objectItem = {
    get: operation("get"),
    put: operation("put", WRITE_PARAMETERS),
    patch: {
      ...operation("patch", [...WRITE_PARAMETERS, queryParameter("force", "boolean")]),
      requestBody: { content },
    },
    delete: operation("delete"),
  };
  return [
    [collection, collectionItem],
    [`${collection}/{name}`, objectItem],
  ];
}

function operationOf(
  { group, version }: DiscoveredVersion,
  { kind }: DiscoveredKind,
): (action: string, parameters?: readonly JsonObject[]) => JsonObject {
  return (action, parameters = []) => ({
    parameters,
    responses: { 200: { description: "OK" } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group, version, kind },
  });
}
