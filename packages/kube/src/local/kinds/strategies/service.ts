// SPDX-License-Identifier: Apache-2.0
import { isJsonArray, isJsonObject, jsonAt, withFields, type Json } from "../../../json/json.ts";
import { dns1035LabelProblem } from "../../../selectors/label-syntax.ts";
import { asJson, withField, type ApiObject } from "../../objects/api-object.ts";
import { fieldIssue, type FieldIssue } from "../../schema/field-issue.ts";
import type { KindStrategy } from "../kind.ts";
import { unchanged } from "./immutable.ts";

function setDefault(object: ApiObject, path: readonly [string, string], value: Json): ApiObject {
  const [outer, inner] = path;
  const fields = asJson(object)[outer];
  if (isJsonObject(fields) && fields[inner] !== undefined) return object;
  return withField(object, outer, withFields(isJsonObject(fields) ? fields : {}, { [inner]: value }));
}

/** Services: ports, and addresses that stay. */
export const serviceStrategy: KindStrategy = {
  nameProblem: dns1035LabelProblem,
  validate(object, before) {
    const spec = jsonAt(asJson(object), "spec");
    const ports = jsonAt(spec, "ports");
    const type = jsonAt(spec, "type");
    const issues: FieldIssue[] = [];
    if (type === "ExternalName") {
      if (typeof jsonAt(spec, "externalName") !== "string") {
        issues.push(fieldIssue(["spec", "externalName"], "FieldValueRequired", "type ExternalName needs it"));
      }
      return issues;
    }
    if (jsonAt(spec, "clusterIP") !== "None" && (!isJsonArray(ports) || ports.length === 0)) {
      issues.push(fieldIssue(["spec", "ports"], "FieldValueRequired", "a service needs at least one port"));
    }
    const hadAddress = jsonAt(before && asJson(before), "spec", "clusterIP") !== undefined;
    const wasExternal = jsonAt(before && asJson(before), "spec", "type") === "ExternalName";
    if (hadAddress && !wasExternal) issues.push(...unchanged(object, before, ["spec", "clusterIP"]));
    return [...issues, ...portNameIssues(ports)];
  },
  prepare(wanted, before) {
    const object = withTargetPorts(wanted);
    if (before === undefined || jsonAt(asJson(object), "spec", "type") === "ExternalName") return object;
    // As in Kubernetes, an update that leaves the addresses out keeps them.
    return ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"].reduce((result, field) => {
      const value = jsonAt(asJson(before), "spec", field);
      return value === undefined ? result : setDefault(result, ["spec", field], value);
    }, object);
  },
};

function withTargetPorts(object: ApiObject): ApiObject {
  const spec = asJson(object)["spec"];
  if (!isJsonObject(spec) || !isJsonArray(spec["ports"])) return object;
  const ports = spec["ports"].map((port) =>
    isJsonObject(port) && port["targetPort"] === undefined ? withFields(port, { targetPort: port["port"] }) : port,
  );
  return withField(object, "spec", withFields(spec, { ports }));
}

function portNameIssues(ports: Json | undefined): readonly FieldIssue[] {
  if (!isJsonArray(ports) || ports.length < 2) return [];
  const names = new Set<string>();
  return ports.flatMap((port, index) => {
    const name = jsonAt(port, "name");
    const path = ["spec", "ports", index, "name"];
    if (typeof name !== "string" || name === "") {
      return [fieldIssue(path, "FieldValueRequired", "services with several ports need a name for each")];
    }
    if (names.has(name)) return [fieldIssue(path, "FieldValueDuplicate", `"${name}"`)];
    names.add(name);
    return [];
  });
}
