// SPDX-License-Identifier: Apache-2.0
import { isJsonObject, jsonAt, jsonText, type Json } from "../../json/json.ts";
import type { Column } from "../kinds/kind.ts";
import { asJson, type ApiObject } from "../objects/api-object.ts";
import { ageSince } from "./age.ts";
import {
  ageColumn,
  column,
  countAt,
  countColumn,
  formatLabels,
  listAt,
  nameColumn,
  textAt,
  wideColumn,
} from "./columns.ts";
import { podColumns } from "./pod-columns.ts";

const texts = (values: readonly Json[]): string =>
  values.length === 0 ? "<none>" : values.map((value) => jsonText(value)).join(",");

const keysOf = (object: ApiObject, ...fields: readonly string[]): number =>
  fields.reduce((sum, field) => sum + Object.keys(jsonAt(asJson(object), field) ?? {}).length, 0);

const templateColumns: readonly Column[] = [
  wideColumn("Containers", (object) =>
    texts(listAt(object, "spec", "template", "spec", "containers").map((item) => jsonAt(item, "name") ?? "")),
  ),
  wideColumn("Images", (object) =>
    texts(listAt(object, "spec", "template", "spec", "containers").map((item) => jsonAt(item, "image") ?? "<none>")),
  ),
  wideColumn("Selector", (object) => formatLabels(jsonAt(asJson(object), "spec", "selector", "matchLabels"))),
];

const servicePorts = (object: ApiObject): string =>
  texts(
    listAt(object, "spec", "ports").map((port) => {
      const nodePort = jsonAt(port, "nodePort");
      const number = `${jsonText(jsonAt(port, "port"))}${nodePort === undefined ? "" : `:${jsonText(nodePort)}`}`;
      return `${number}/${jsonText(jsonAt(port, "protocol"), "TCP")}`;
    }),
  );

const externalAddresses = (object: ApiObject): string => {
  if (textAt(object, ["spec", "type"]) === "ExternalName") return textAt(object, ["spec", "externalName"]);
  const ingress = listAt(object, "status", "loadBalancer", "ingress");
  return texts(ingress.map((item) => jsonAt(item, "ip") ?? jsonAt(item, "hostname") ?? ""));
};

const nodeStatus = (object: ApiObject): string => {
  const ready = listAt(object, "status", "conditions").find((condition) => jsonAt(condition, "type") === "Ready");
  const states = { True: "Ready", False: "NotReady" } as Readonly<Record<string, string>>;
  const state = states[jsonText(jsonAt(ready, "status"))] ?? "Unknown";
  return jsonAt(asJson(object), "spec", "unschedulable") === true ? `${state},SchedulingDisabled` : state;
};

const nodeRoles = (object: ApiObject): string =>
  texts(
    Object.keys(object.metadata.labels ?? {})
      .filter((key) => key.startsWith("node-role.kubernetes.io/"))
      .map((key) => key.slice("node-role.kubernetes.io/".length)),
  );

const nodeAddress = (object: ApiObject): string => {
  const internal = listAt(object, "status", "addresses").find((item) => jsonAt(item, "type") === "InternalIP");
  return jsonText(jsonAt(internal, "address"), "<none>");
};

const ready = (object: ApiObject): string =>
  `${countAt(object, "status", "readyReplicas")}/${countAt(object, "spec", "replicas")}`;

const eventObject = (object: ApiObject): string => {
  const involved = jsonAt(asJson(object), "involvedObject");
  return isJsonObject(involved)
    ? `${jsonText(involved["kind"]).toLowerCase()}/${jsonText(involved["name"])}`
    : "<unknown>";
};

const lastSeen = (object: ApiObject, nowMs: number): string => {
  const time = object["lastTimestamp"] ?? object["eventTime"] ?? object["firstTimestamp"];
  return ageSince(time, nowMs);
};

/** Columns of the built-in kinds, as `kubectl get` shows them against Kubernetes. */
export const builtInColumns: Readonly<Record<string, readonly Column[]>> = {
  Namespace: [nameColumn, column("Status", (object) => textAt(object, ["status", "phase"])), ageColumn],
  Node: [
    nameColumn,
    column("Status", nodeStatus),
    column("Roles", nodeRoles),
    ageColumn,
    column("Version", (object) => textAt(object, ["status", "nodeInfo", "kubeletVersion"])),
    wideColumn("Internal-IP", nodeAddress),
  ],
  Pod: podColumns,
  Service: [
    nameColumn,
    column("Type", (object) => textAt(object, ["spec", "type"])),
    column("Cluster-IP", (object) => textAt(object, ["spec", "clusterIP"])),
    column("External-IP", externalAddresses),
    column("Port(s)", servicePorts),
    ageColumn,
    wideColumn("Selector", (object) => formatLabels(jsonAt(asJson(object), "spec", "selector"))),
  ],
  ServiceAccount: [nameColumn, countColumn("Secrets", (object) => listAt(object, "secrets").length), ageColumn],
  ConfigMap: [nameColumn, countColumn("Data", (object) => keysOf(object, "data", "binaryData")), ageColumn],
  Secret: [
    nameColumn,
    column("Type", (object) => textAt(object, ["type"])),
    countColumn("Data", (object) => keysOf(object, "data")),
    ageColumn,
  ],
  Event: [
    column("Last Seen", lastSeen),
    column("Type", (object) => textAt(object, ["type"])),
    column("Reason", (object) => textAt(object, ["reason"])),
    column("Object", eventObject),
    column("Message", (object) => textAt(object, ["message"]).trim()),
    wideColumn("Source", (object) => textAt(object, ["source", "component"])),
    wideColumn("Count", (object) => textAt(object, ["count"], "1")),
    wideColumn("Name", (object) => object.metadata.name),
  ],
  Deployment: [
    nameColumn,
    column("Ready", ready),
    countColumn("Up-to-date", (object) => countAt(object, "status", "updatedReplicas")),
    countColumn("Available", (object) => countAt(object, "status", "availableReplicas")),
    ageColumn,
    ...templateColumns,
  ],
  ReplicaSet: [
    nameColumn,
    countColumn("Desired", (object) => countAt(object, "spec", "replicas")),
    countColumn("Current", (object) => countAt(object, "status", "replicas")),
    countColumn("Ready", (object) => countAt(object, "status", "readyReplicas")),
    ageColumn,
    ...templateColumns,
  ],
  EndpointSlice: [
    nameColumn,
    column("AddressType", (object) => textAt(object, ["addressType"])),
    column("Ports", (object) => texts(listAt(object, "ports").map((port) => jsonAt(port, "port") ?? "*"))),
    column("Endpoints", (object) =>
      texts(listAt(object, "endpoints").flatMap((endpoint) => jsonAt(endpoint, "addresses", 0) ?? [])),
    ),
    ageColumn,
  ],
  Lease: [nameColumn, column("Holder", (object) => textAt(object, ["spec", "holderIdentity"], "")), ageColumn],
  CustomResourceDefinition: [
    nameColumn,
    column("Created At", (object) => object.metadata.creationTimestamp ?? "<unknown>"),
  ],
};
