// SPDX-License-Identifier: Apache-2.0

/** Labels of an object, or those that a selector asks for. */
export type LabelSet = Readonly<Record<string, string>>;

/** True if all labels asked for are there; a selector without labels selects everything. */
export function selects(selector: LabelSet, labels: LabelSet | undefined): boolean {
  for (const key in selector) if (labels?.[key] !== selector[key]) return false;
  return true;
}
