// SPDX-License-Identifier: Apache-2.0
import { jsonText } from "../../json/json.ts";
import { VERSION_INFO } from "./documents.ts";
import type { DiscoveredKind, DiscoveredVersion } from "./groups.ts";

/** The media type that kubectl asks for. */
export const OPEN_API_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

const LENGTH_DELIMITED = 2;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** A field that holds text or another message (protobuf encoding, "Length-Delimited Records"). */
function field(number: number, content: string | readonly Buffer[]): Buffer {
  const bytes = typeof content === "string" ? Buffer.from(content) : Buffer.concat(content);
  return Buffer.concat([varint(number * 8 + LENGTH_DELIMITED), varint(bytes.length), bytes]);
}

// Field numbers of openapi.v2 (gnostic's OpenAPIv2.proto).
const DOCUMENT = { SWAGGER: 1, INFO: 2, PATHS: 8 };
const PATHS = { PATH: 2 };
const NAMED = { NAME: 1, VALUE: 2 };
const PATH_ITEM = { PATCH: 8 };
const OPERATION = { PARAMETERS: 8, VENDOR_EXTENSION: 13 };
const PARAMETERS_ITEM = { PARAMETER: 1 };
const PARAMETER = { NON_BODY: 2 };
const NON_BODY_PARAMETER = { QUERY: 3 };
const QUERY_PARAMETER = { IN: 2, NAME: 4, TYPE: 6 };
const ANY = { YAML: 2 };

/**
 * OpenAPI 2 as protobuf, reduced to what kubectl reads it for: which kinds exist and that their patches take
 * `fieldValidation` and `dryRun`, so that it leaves validation to the server. Schemas are in OpenAPI 3.
 */
export function openApiV2Protobuf(versions: readonly DiscoveredVersion[]): Buffer {
  const paths = versions.flatMap((version) =>
    version.kinds
      .filter((kind) => kind.version !== undefined)
      .map((kind) => field(PATHS.PATH, [pathItem(version, kind)])),
  );
  return Buffer.concat([
    field(DOCUMENT.SWAGGER, "2.0"),
    field(DOCUMENT.INFO, [field(1, "Kubernetes (local)"), field(2, jsonText(VERSION_INFO["gitVersion"]))]),
    field(DOCUMENT.PATHS, paths),
  ]);
}

function pathItem(version: DiscoveredVersion, kind: DiscoveredKind): Buffer {
  const root = version.group === "" ? `/api/${version.apiVersion}` : `/apis/${version.apiVersion}`;
  const operation = [
    ...["dryRun", "fieldManager", "fieldValidation"].map(queryParameter),
    field(OPERATION.VENDOR_EXTENSION, [groupVersionKind(version, kind)]),
  ];
  return Buffer.concat([
    field(NAMED.NAME, `${root}/${kind.isNamespaced ? "namespaces/{namespace}/" : ""}${kind.plural}/{name}`),
    field(NAMED.VALUE, [field(PATH_ITEM.PATCH, operation)]),
  ]);
}

function queryParameter(name: string): Buffer {
  const parameter = [
    field(QUERY_PARAMETER.IN, "query"),
    field(QUERY_PARAMETER.NAME, name),
    field(QUERY_PARAMETER.TYPE, "string"),
  ];
  return field(OPERATION.PARAMETERS, [
    field(PARAMETERS_ITEM.PARAMETER, [field(PARAMETER.NON_BODY, [field(NON_BODY_PARAMETER.QUERY, parameter)])]),
  ]);
}

function groupVersionKind({ group, version }: DiscoveredVersion, { kind }: DiscoveredKind): Buffer {
  return Buffer.concat([
    field(NAMED.NAME, "x-kubernetes-group-version-kind"),
    field(NAMED.VALUE, [field(ANY.YAML, JSON.stringify({ group, version, kind }))]),
  ]);
}
