// SPDX-License-Identifier: Apache-2.0
import type { CustomResourceDefinition, CustomResourceVersion, PrinterColumn } from "@ambientmesh/api/kubernetes";
import { jsonText } from "../../json/json.ts";
import { asJson } from "../objects/api-object.ts";
import type { Schema } from "../schema/schema.ts";
import { ageSince } from "../table/age.ts";
import { ageColumn, nameColumn } from "../table/columns.ts";
import { compileJsonPath } from "../table/json-path.ts";
import type { Column, KindDefinition, KindVersion } from "./kind.ts";
import { text } from "./schemas/build.ts";
import { objectMeta } from "./schemas/meta.ts";

/**
 * The kind that a checked CustomResourceDefinition adds. The stored version comes first.
 * Undefined if it serves no version at all.
 */
export function kindOfCrd({ spec }: CustomResourceDefinition): KindDefinition | undefined {
  const served = spec.versions
    .filter((version) => version.served)
    .sort((a, b) => Number(b.storage) - Number(a.storage));
  const [first, ...others] = served.map((version) => kindVersion(spec.group, spec.names.kind, version));
  if (first === undefined) return undefined;
  return {
    group: spec.group,
    kind: spec.names.kind,
    plural: spec.names.plural,
    singular: spec.names.singular ?? spec.names.kind.toLowerCase(),
    shortNames: spec.names.shortNames ?? [],
    categories: spec.names.categories ?? [],
    isNamespaced: spec.scope === "Namespaced",
    hasStatus: served.some((version) => version.subresources?.status !== undefined),
    hasGeneration: true,
    selectableFields: served
      .flatMap((version) => version.selectableFields ?? [])
      .map(({ jsonPath }) => jsonPath.slice(1)),
    versions: [first, ...others],
  };
}

function kindVersion(group: string, kind: string, version: CustomResourceVersion): KindVersion {
  const warning = version.deprecationWarning ?? `${group}/${version.name} ${kind} is deprecated`;
  return {
    name: version.name,
    schema: withObjectFields(version.schema?.openAPIV3Schema ?? {}),
    columns: columnsOf(version.additionalPrinterColumns),
    ...(version.deprecated === true && { warning }),
  };
}

/** What a definition says of metadata beyond the name's form is left to Kubernetes' own rules. */
function withObjectFields(schema: Schema): Schema {
  return {
    ...schema,
    type: "object",
    properties: { ...schema.properties, apiVersion: text, kind: text, metadata: objectMeta },
  };
}

function columnsOf(columns: readonly PrinterColumn[] | undefined): readonly Column[] {
  if (columns === undefined || columns.length === 0) return [nameColumn, ageColumn];
  return [nameColumn, ...columns.map(printerColumn)];
}

function printerColumn({ name, type, jsonPath, format, description, priority }: PrinterColumn): Column {
  const path = compileJsonPath(jsonPath);
  const isDate = type === "date";
  return {
    name,
    type: isDate || type === "integer" || type === "number" || type === "boolean" ? type : "string",
    ...(format !== undefined && { format }),
    ...(description !== undefined && { description }),
    ...(priority !== undefined && { priority }),
    cell: (object, nowMs) => {
      const values = path?.(asJson(object)) ?? [];
      if (isDate) return ageSince(values[0], nowMs);
      const [only] = values;
      const isScalar = values.length === 1 && (typeof only === "number" || typeof only === "boolean");
      return isScalar ? only : values.map((value) => jsonText(value)).join(",");
    },
  };
}
