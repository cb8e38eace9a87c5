// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";
import { matchesFields, parseFieldSelector } from "../../selectors/field-selector.ts";
import { parseLabelSelector } from "../../selectors/label-selector-text.ts";
import { matchesLabels } from "../../selectors/label-selector.ts";
import { selectableValue, type KindDefinition } from "../kinds/kind.ts";
import type { ApiObject } from "../objects/api-object.ts";
import type { StoreEvent } from "./kind-table.ts";

/** Which objects of a kind a list or watch is about. */
export interface Selection {
  /** Undefined: of all namespaces. */
  readonly namespace?: string | undefined;
  readonly matches: (object: ApiObject) => boolean;
}

/** The selection as it stands in a URL. */
export interface SelectionQuery {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

const COMMON_FIELDS = new Set(["metadata.name", "metadata.namespace"]);

/**
 * Compiles a selection.
 * @throws MeshError KUBE_BAD_REQUEST when a selector is malformed or names a field that the kind can't be selected by.
 */
export function selectionOf(kind: KindDefinition, query: SelectionQuery): Selection {
  const { namespace, labelSelector = "", fieldSelector = "" } = query;
  try {
    const labels = parseLabelSelector(labelSelector);
    const fields = parseFieldSelector(fieldSelector);
    const unknown = fields.find(({ field }) => !COMMON_FIELDS.has(field) && !kind.selectableFields?.includes(field));
    if (unknown !== undefined) {
      throw kubeErrors.create(
        "KUBE_BAD_REQUEST",
        `"${unknown.field}" is no field that ${kind.plural} can be selected by`,
      );
    }
    return {
      namespace,
      matches: (object) =>
        (namespace === undefined || object.metadata.namespace === namespace) &&
        matchesLabels(labels, object.metadata.labels) &&
        matchesFields(fields, (field) => selectableValue(object, field)),
    };
  } catch (error) {
    if (!kubeErrors.is(error, "KUBE_SELECTOR_INVALID")) throw error;
    throw kubeErrors.create("KUBE_BAD_REQUEST", error.message, { cause: error });
  }
}

/** A change as somebody sees it who watches a selection: objects enter and leave it. */
export interface SelectedEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: ApiObject;
  readonly resourceVersion: number;
}

/** What a change is to a selection, undefined if nothing. */
export function selectedEvent(selection: Selection, event: StoreEvent): SelectedEvent | undefined {
  const { before, after, object, resourceVersion } = event;
  const wasIn = before !== undefined && selection.matches(before);
  const isIn = after !== undefined && selection.matches(after);
  if (isIn) return { type: wasIn ? "MODIFIED" : "ADDED", object, resourceVersion };
  return wasIn ? { type: "DELETED", object, resourceVersion } : undefined;
}
