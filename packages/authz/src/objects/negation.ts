// SPDX-License-Identifier: Apache-2.0

/** The field that `field` negates ("notPorts" to "ports"), or `field` itself. */
export function positiveOf(field: string): string {
  return field.startsWith("not") ? `${field.charAt(3).toLowerCase()}${field.slice(4)}` : field;
}
