// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from "../../json/json.ts";
import type { Column } from "../kinds/kind.ts";
import { asJson, type ApiObject } from "../objects/api-object.ts";

/** What each row of a table carries beside its cells. */
export type IncludeObject = "None" | "Metadata" | "Object";

/** meta/v1 PartialObjectMetadata. */
export function partialMetadata(object: ApiObject): JsonObject {
  return { apiVersion: "meta.k8s.io/v1", kind: "PartialObjectMetadata", metadata: asJson(object.metadata) };
}

/** How a table is made. */
export interface TableOptions {
  readonly columns: readonly Column[];
  readonly include: IncludeObject;
  readonly nowMs: number;
  /** False for the later events of a watch, whose columns are known. */
  readonly hasColumns: boolean;
}

/** meta/v1 Table: what `kubectl get` prints. */
export function tableOf(objects: readonly ApiObject[], metadata: JsonObject, options: TableOptions): JsonObject {
  const { columns, include, nowMs } = options;
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: options.hasColumns ? columns.map(columnDefinition) : [],
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, nowMs)),
      object: include === "None" ? undefined : include === "Object" ? asJson(object) : partialMetadata(object),
    })),
  };
}

function columnDefinition({ name, type, format = "", description = "", priority = 0 }: Column): JsonObject {
  return { name, type, format, description, priority };
}
