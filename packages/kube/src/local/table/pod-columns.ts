// SPDX-License-Identifier: Apache-2.0
import { jsonAt, type Json } from "../../json/json.ts";
import type { Column } from "../kinds/kind.ts";
import type { ApiObject } from "../objects/api-object.ts";
import { ageColumn, column, countAt, listAt, nameColumn, textAt, wideColumn } from "./columns.ts";

/** The Status column: the phase, unless a container or the pod itself has something more telling to say. */
function podStatusText(object: ApiObject): string {
  if (object.metadata.deletionTimestamp !== undefined) return "Terminating";
  const reasons = listAt(object, "status", "containerStatuses").map(containerReason);
  const reason = reasons.find((text) => text !== undefined) ?? textAt(object, ["status", "reason"], "");
  return reason === "" ? textAt(object, ["status", "phase"], "Unknown") : reason;
}

function containerReason(status: Json): string | undefined {
  const reason = jsonAt(status, "state", "waiting", "reason") ?? jsonAt(status, "state", "terminated", "reason");
  if (typeof reason === "string" && reason !== "") return reason;
  const exitCode = jsonAt(status, "state", "terminated", "exitCode");
  return typeof exitCode === "number" ? `ExitCode:${exitCode}` : undefined;
}

function readyContainers(object: ApiObject): string {
  const ready = listAt(object, "status", "containerStatuses").filter((status) => jsonAt(status, "ready") === true);
  return `${ready.length}/${listAt(object, "spec", "containers").length}`;
}

function restarts(object: ApiObject): string {
  const counts = listAt(object, "status", "containerStatuses").map((_, index) =>
    countAt(object, "status", "containerStatuses", index, "restartCount"),
  );
  return String(counts.reduce((sum, count) => sum + count, 0));
}

/** Columns of pods. */
export const podColumns: readonly Column[] = [
  nameColumn,
  column("Ready", readyContainers),
  column("Status", podStatusText),
  column("Restarts", restarts),
  ageColumn,
  wideColumn("IP", (object) => textAt(object, ["status", "podIP"])),
  wideColumn("Node", (object) => textAt(object, ["spec", "nodeName"])),
  wideColumn("Nominated Node", (object) => textAt(object, ["status", "nominatedNodeName"])),
  wideColumn("Readiness Gates", () => "<none>"),
];
