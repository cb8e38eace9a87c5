// SPDX-License-Identifier: Apache-2.0
import { pino } from "pino";
import { escapeInvisible, plainName, plainValue, unquoted, writtenFields } from "./field-text.ts";
import { BareText, type LogRecord } from "./record.ts";

/** `plain`: tab-separated text for people; `json`: one object per line for machines. */
export type LogFormat = "plain" | "json";

/** Turns a record into its line, newline included. */
export type LogFormatter = (record: LogRecord) => string;

/** RFC 3339 in UTC with microseconds, as ztunnel writes it. */
function timestamp(timeMs: number): string {
  const wholeMs = Math.floor(timeMs);
  const micros = Math.floor((timeMs - wholeMs) * 1000);
  return `${new Date(wholeMs).toISOString().slice(0, -1)}${String(micros).padStart(3, "0")}Z`;
}

/** `time TAB level TAB scope TAB message TAB key=value key="text"` (ztunnel's text format, Istio 1.31). */
function formatPlain(record: LogRecord): string {
  const columns = [timestamp(record.timeMs), record.level, unquoted(record.scope), unquoted(record.message)];
  const fields = writtenFields(record.fields).map(([name, value]) => `${plainName(name)}=${plainValue(value)}`);
  if (fields.length > 0) columns.push(fields.join(" "));
  return `${columns.join("\t")}\n`;
}

const KEYS = new Set(["level", "time", "scope", "message"]);

/** True for the keys of the format, and for names that pino would look up on Object.prototype. */
function isReserved(name: string): boolean {
  return KEYS.has(name) || name in Object.prototype;
}

/**
 * Keys level, time, scope, then the fields, then message, all at the top level (ztunnel's LOG_FORMAT=json).
 * A field named like one of those keys gets the prefix "field.".
 */
function jsonFormatter(): LogFormatter {
  let line = "";
  const encoder = pino(
    {
      level: "trace",
      base: null,
      timestamp: false,
      messageKey: "message",
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (text: string) => void (line = text) },
  );
  return (record) => {
    const values: [string, unknown][] = [
      ["time", timestamp(record.timeMs)],
      ["scope", record.scope],
    ];
    for (const [name, value] of writtenFields(record.fields)) {
      values.push([isReserved(name) ? `field.${name}` : name, value instanceof BareText ? value.text : value]);
    }
    encoder[record.level](Object.fromEntries(values), record.message);
    return escapeInvisible(line);
  };
}

/** The formatter of a format. It holds state: one per writer. */
export function createFormatter(format: LogFormat): LogFormatter {
  return format === "json" ? jsonFormatter() : formatPlain;
}
