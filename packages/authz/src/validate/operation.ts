// SPDX-License-Identifier: Apache-2.0
import type { PolicyOperation } from "@ambientmesh/api/istio";
import { parsed, shown, unreadable, type Parsed } from "../problem.ts";
import { positiveOf } from "../objects/negation.ts";
import { parsePort } from "../values/port.ts";
import type { Findings } from "./findings.ts";
import { notEmpty } from "./source.ts";

const CHECKS: Readonly<Record<string, (value: string) => Parsed<unknown>>> = {
  ports: parsePort,
  hosts: notEmpty,
  methods: notEmpty,
  paths: checkPath,
};

/** Checks one entry of `to`. */
export function checkOperation(operation: PolicyOperation | undefined, path: string, findings: Findings): void {
  const fields = Object.entries(operation ?? {}) as [string, readonly string[] | undefined][];
  if (fields.every(([, values]) => (values?.length ?? 0) === 0)) findings.error(path, "is empty");
  for (const [field, values] of fields) {
    const positive = positiveOf(field);
    const check = Object.hasOwn(CHECKS, positive) ? CHECKS[positive] : undefined;
    if (check === undefined) findings.error(`${path}.${field}`, "is not a field of operations");
    else findings.each(`${path}.${field}`, values, check);
  }
}

/** In a template `{*}` stands for one segment and `{**}` for several, and nothing variable may come after `{**}`. */
function checkPath(path: string): Parsed<unknown> {
  if (path === "") return unreadable("is empty");
  if (!path.includes("{*}") && !path.includes("{**}")) return parsed(path);
  const segments = path.split("/");
  const variable = segments.filter((segment) => /[{}*]/.test(segment));
  if (!variable.every((segment) => segment === "{*}" || segment === "{**}")) {
    return unreadable(`${shown(path)} mixes {*} or {**} with other characters in a segment`);
  }
  const many = variable.indexOf("{**}");
  if (many >= 0 && many < variable.length - 1) return unreadable(`${shown(path)} has a {*} or {**} after {**}`);
  return parsed(path);
}
