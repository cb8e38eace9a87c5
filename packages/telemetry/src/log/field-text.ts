// SPDX-License-Identifier: Apache-2.0
import { inspect } from "node:util";
import { isMeshError, messageOf } from "@ambientmesh/core";
import { BareText, type LogField } from "./record.ts";

/** Longer texts in fields are cut: one record can't fill the queue. */
const MAX_TEXT = 8192;
const MAX_CAUSES = 5;
const BARE = /^[\w.:%@/[\]-]+$/;
// DEL and C1 controls, line separators and marks that change the writing direction: what terminals and viewers act on.
const INVISIBLE = /[\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Escapes, JSON style, the characters that JSON itself lets through but that can forge what a reader sees. */
export function escapeInvisible(text: string): string {
  return text.replace(INVISIBLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** `text` in double quotes, escaped so that it stays on its line. `JSON.parse` gives it back. */
function quoted(text: string): string {
  return escapeInvisible(JSON.stringify(text));
}

/** `text` on one line without quotes. */
export function unquoted(text: string): string {
  return quoted(text).slice(1, -1);
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}... (${text.length - MAX_TEXT} more)` : text;
}

/** The messages of an error and its causes, outermost first. */
function errorText(error: Error): string {
  const texts: string[] = [];
  let current: unknown = error;
  while (current !== undefined && current !== null && texts.length < MAX_CAUSES) {
    texts.push(messageOf(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return texts.join(": ");
}

/**
 * The fields as they are written: undefined ones left out, texts cut, an error turned into its messages
 * and, if it has one, a second field with its code.
 */
export function writtenFields(fields: readonly LogField[]): LogField[] {
  const written: LogField[] = [];
  for (const [name, value] of fields) {
    if (value === undefined) continue;
    if (value instanceof Error) {
      written.push([name, cut(errorText(value))]);
      if (isMeshError(value)) written.push([`${name}.code`, value.code]);
    } else {
      written.push([name, typeof value === "string" ? cut(value) : value]);
    }
  }
  return written;
}

/** A field value in the plain format. */
export function plainValue(value: unknown): string {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "number":
    case "boolean":
    case "bigint":
      return String(value);
    case "object":
      if (value === null) return "null";
      if (value instanceof BareText) return BARE.test(value.text) ? value.text : quoted(cut(value.text));
      return quoted(
        cut(inspect(value, { depth: 4, breakLength: Infinity, maxArrayLength: 100, maxStringLength: 1024 })),
      );
    default:
      return quoted(String(value));
  }
}

/** A field name, reduced to characters that can't be taken for a separator. */
export function plainName(name: string): string {
  return name.replace(/[^\w.-]/g, "_");
}
