// SPDX-License-Identifier: Apache-2.0
import type { DeleteOptions } from "../objects/delete.ts";
import { isJsonObject, jsonText, type Json } from "../../json/json.ts";
import { badRequest } from "../objects/refusals.ts";
import type { WriteOptions } from "../objects/scope.ts";

const MAX_MANAGER_LENGTH = 128;

/** True for "true" and "1", as Kubernetes reads flags. */
export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value === "true" || value === "1";
}

/** @throws MeshError KUBE_BAD_REQUEST when the value is no whole number >= 0. */
export function count(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === "") return undefined;
  if (!/^\d{1,15}$/.test(value)) throw badRequest(`${name}: "${value}" is not a whole number`);
  return Number(value);
}

/** The resource version that a list or watch begins at; undefined for none, which means "now". */
export function resourceVersion(query: URLSearchParams): number | undefined {
  return count(query, "resourceVersion");
}

/** How a write is to be done. */
export function writeOptions(query: URLSearchParams, userAgent: string | undefined): WriteOptions {
  const validation = query.get("fieldValidation") ?? "Warn";
  if (validation !== "Ignore" && validation !== "Warn" && validation !== "Strict") {
    throw badRequest(`fieldValidation: "${validation}" is none of Ignore, Warn, Strict`);
  }
  return {
    isDryRun: isDryRun(query.getAll("dryRun")),
    fieldManager: fieldManager(query, userAgent),
    fieldValidation: validation === "Ignore" || validation === "Strict" ? validation : "Warn",
  };
}

function fieldManager(query: URLSearchParams, userAgent: string | undefined): string {
  const manager = query.get("fieldManager") ?? "";
  if (manager.length > MAX_MANAGER_LENGTH)
    throw badRequest(`fieldManager: may not be more than ${MAX_MANAGER_LENGTH} bytes`);
  if (manager !== "") return manager;
  const [program = ""] = (userAgent ?? "").split("/");
  return program === "" ? "unknown" : program.slice(0, MAX_MANAGER_LENGTH);
}

function isDryRun(values: readonly string[]): boolean {
  const other = values.find((value) => value !== "All" && value !== "");
  if (other !== undefined) throw badRequest(`dryRun: "${other}" is not All`);
  return values.includes("All");
}

/** Options of a delete, from the body (which wins) and the query. */
export function deleteOptions(query: URLSearchParams, body: Json | undefined): DeleteOptions {
  const fields = isJsonObject(body) ? body : {};
  const grace = fields["gracePeriodSeconds"] ?? count(query, "gracePeriodSeconds");
  if (grace !== undefined && (typeof grace !== "number" || grace < 0)) {
    throw badRequest("gracePeriodSeconds must be a whole number >= 0");
  }
  const { uid, resourceVersion: version } = isJsonObject(fields["preconditions"]) ? fields["preconditions"] : {};
  const dryRun = Array.isArray(fields["dryRun"])
    ? fields["dryRun"].map((value: Json) => jsonText(value))
    : query.getAll("dryRun");
  return {
    isDryRun: isDryRun(dryRun),
    gracePeriodSeconds: grace,
    preconditions: {
      ...(typeof uid === "string" && { uid }),
      ...(typeof version === "string" && { resourceVersion: version }),
    },
    propagation: propagation(fields, query),
  };
}

function propagation(
  fields: Readonly<Record<string, Json | undefined>>,
  query: URLSearchParams,
): DeleteOptions["propagation"] {
  const value = fields["propagationPolicy"] ?? query.get("propagationPolicy") ?? undefined;
  if (fields["orphanDependents"] === true) return "Orphan";
  if (value === undefined || value === "Background" || value === "Foreground" || value === "Orphan") return value;
  throw badRequest(`propagationPolicy: "${jsonText(value)}" is none of Background, Foreground, Orphan`);
}
