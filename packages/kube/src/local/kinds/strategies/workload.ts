// SPDX-License-Identifier: Apache-2.0
import { isJsonObject, jsonAt } from "../../../json/json.ts";
import { dnsLabelProblem } from "../../../selectors/label-syntax.ts";
import { asJson, withField, withMeta } from "../../objects/api-object.ts";
import type { KindStrategy } from "../kind.ts";
import { unchanged } from "./immutable.ts";

/** Namespaces: a label with their own name, a phase, and a hold on them until they are empty. */
export const namespaceStrategy: KindStrategy = {
  nameProblem: dnsLabelProblem,
  prepare(object, before) {
    const labels = { ...object.metadata.labels, "kubernetes.io/metadata.name": object.metadata.name };
    const spec = before === undefined ? { finalizers: ["kubernetes"] } : asJson(before)["spec"];
    const status = before === undefined ? { phase: "Active" } : asJson(object)["status"];
    return withField(withField(withMeta(object, { labels }), "spec", spec), "status", status);
  },
  markDeleted: (object) => withField(object, "status", { phase: "Terminating" }),
  isHeld: (object) => jsonAt(asJson(object), "spec", "finalizers", 0) !== undefined,
};

/** For Deployments and ReplicaSets: the selector is fixed, not empty, and selects the template. */
export const templateOwnerStrategy: KindStrategy = {
  validate(object, before) {
    const selector = jsonAt(asJson(object), "spec", "selector");
    const wanted = jsonAt(selector, "matchLabels");
    const labels = jsonAt(asJson(object), "spec", "template", "metadata", "labels");
    const issues = [...unchanged(object, before, ["spec", "selector"])];
    if (!isJsonObject(selector) || Object.keys(selector).length === 0) {
      issues.push({
        path: ["spec", "selector"],
        reason: "FieldValueRequired",
        message: "an empty selector would select every pod",
      });
    }
    const isSelected = Object.entries(isJsonObject(wanted) ? wanted : {}).every(
      ([key, value]) => jsonAt(labels, key) === value,
    );
    if (!isSelected) {
      issues.push({
        path: ["spec", "template", "metadata", "labels"],
        reason: "FieldValueInvalid",
        message: "the labels of the template must match spec.selector",
      });
    }
    return issues;
  },
};

/** EndpointSlices: a fixed address type. */
export const endpointSliceStrategy: KindStrategy = {
  validate: (object, before) => unchanged(object, before, ["addressType"]),
};
