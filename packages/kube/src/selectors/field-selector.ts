// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../errors.ts";

/** One term of a field selector: `metadata.name=cart`. */
export interface FieldRequirement {
  readonly field: string;
  readonly isEqual: boolean;
  readonly value: string;
}

/** A field selector; an object has to meet all of it, the empty one matches everything. */
export type FieldRequirements = readonly FieldRequirement[];

/**
 * Parses `a.b=c,d!=e` (also `==`; `\\`, `\,` and `\=` stand for the character itself in values).
 * @throws MeshError KUBE_SELECTOR_INVALID when a term has no operator or no field.
 */
export function parseFieldSelector(text: string): FieldRequirements {
  return splitTerms(text)
    .filter((term) => term.trim() !== "")
    .map((term) => {
      const match = /^([^=!\\]+?)(==|!=|=)(.*)$/s.exec(term.trim());
      if (match === null) {
        throw kubeErrors.create("KUBE_SELECTOR_INVALID", `field selector "${text}": "${term}" is not field=value`, {
          details: { selector: text },
        });
      }
      const [, field = "", operator, value = ""] = match;
      return { field: field.trim(), isEqual: operator !== "!=", value: value.replaceAll(/\\([\\,=])/g, "$1") };
    });
}

/** The text form that {@link parseFieldSelector} reads back. */
export function formatFieldSelector(requirements: FieldRequirements): string {
  return requirements
    .map(({ field, isEqual, value }) => `${field}${isEqual ? "=" : "!="}${value.replaceAll(/[\\,=]/g, "\\$&")}`)
    .join(",");
}

/** True if every term holds; `valueOf` gives the text of a field, "" where it is not set. */
export function matchesFields(requirements: FieldRequirements, valueOf: (field: string) => string): boolean {
  return requirements.every(({ field, isEqual, value }) => (valueOf(field) === value) === isEqual);
}

function splitTerms(text: string): readonly string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === ",") {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}
