// SPDX-License-Identifier: Apache-2.0
import { isJsonArray, isJsonObject, jsonAt, jsonEqual, jsonText, withFields, type Json } from "../../../json/json.ts";
import { dnsLabelProblem } from "../../../selectors/label-syntax.ts";
import { asJson, asObject, type ApiObject } from "../../objects/api-object.ts";
import { fieldIssue, type FieldIssue } from "../../schema/field-issue.ts";
import type { KindStrategy } from "../kind.ts";

/** Kubernetes' grace period for pods that do not set their own, in seconds. */
const POD_GRACE_SECONDS = 30;

/** Pods: who they run as, what of them may change, and how long they take to end. */
export const podStrategy: KindStrategy = {
  prepare(object, before) {
    if (before !== undefined) return object;
    const spec = asJson(object)["spec"];
    if (!isJsonObject(spec)) return object;
    const account = spec["serviceAccountName"] ?? spec["serviceAccount"] ?? "default";
    const named = withFields(spec, { serviceAccountName: account, serviceAccount: account });
    return asObject({ ...asJson(object), spec: named, status: { phase: "Pending" } });
  },
  validate(object, before) {
    const issues = containerNameIssues(object);
    return before === undefined ? issues : [...issues, ...podSpecChanges(object, before)];
  },
  graceSeconds(object, requested) {
    const phase = jsonAt(asJson(object), "status", "phase");
    // Nobody winds up a pod that has ended or was never put on a node.
    if (jsonAt(asJson(object), "spec", "nodeName") === undefined || phase === "Succeeded" || phase === "Failed")
      return 0;
    const own = jsonAt(asJson(object), "spec", "terminationGracePeriodSeconds");
    return requested ?? (typeof own === "number" ? own : POD_GRACE_SECONDS);
  },
};

function containerNameIssues(object: ApiObject): readonly FieldIssue[] {
  return ["initContainers", "containers"].flatMap((list) => {
    const containers = jsonAt(asJson(object), "spec", list);
    if (!isJsonArray(containers)) return [];
    return containers.flatMap((container, index) => {
      const name = jsonAt(container, "name");
      const problem = typeof name === "string" ? dnsLabelProblem(name) : undefined;
      if (problem === undefined) return [];
      return [fieldIssue(["spec", list, index, "name"], "FieldValueInvalid", `"${jsonText(name)}" ${problem}`)];
    });
  });
}

/** What of a pod's spec may change after creation; everything else is fixed (Kubernetes, pod validation). */
function mutableReset(spec: Json | undefined, from: Json | undefined): Json | undefined {
  if (!isJsonObject(spec) || !isJsonObject(from)) return spec;
  const resetImages = (list: string): Json | undefined => {
    const containers = spec[list];
    if (!isJsonArray(containers)) return containers;
    return containers.map((container, index) =>
      isJsonObject(container) ? withFields(container, { image: jsonAt(from[list], index, "image") }) : container,
    );
  };
  return withFields(spec, {
    containers: resetImages("containers"),
    initContainers: resetImages("initContainers"),
    activeDeadlineSeconds: from["activeDeadlineSeconds"],
    terminationGracePeriodSeconds: from["terminationGracePeriodSeconds"],
    tolerations: from["tolerations"],
    ephemeralContainers: from["ephemeralContainers"],
    ...(from["nodeName"] === undefined && { nodeName: undefined }),
  });
}

function podSpecChanges(object: ApiObject, before: ApiObject): readonly FieldIssue[] {
  const spec = jsonAt(asJson(before), "spec");
  if (jsonEqual(mutableReset(jsonAt(asJson(object), "spec"), spec), spec)) return [];
  const message =
    "of a pod only images, nodeName (once), tolerations, activeDeadlineSeconds and terminationGracePeriodSeconds may change; delete the pod and create it anew";
  return [{ path: ["spec"], reason: "FieldValueForbidden", message }];
}
