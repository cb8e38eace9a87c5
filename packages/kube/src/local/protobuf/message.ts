// SPDX-License-Identifier: Apache-2.0
import { jsonText, type Json, type JsonObject } from "../../json/json.ts";
import { readFields, type WireField } from "./wire-reader.ts";

/** Turns one occurrence of a field into JSON; undefined for a value that JSON leaves out. */
type ReadValue = (field: WireField) => Json | undefined;

/** A field of a message. */
export interface FieldType {
  readonly name: string;
  readonly read: ReadValue;
  /** Several occurrences make a list; those of a map one object. */
  readonly shape: "single" | "list" | "map" | "inline";
}

/** The fields of a message by their numbers. */
export type MessageType = Readonly<Record<number, FieldType>>;

/**
 * Reads a message into the JSON that the same Go type has.
 * @throws RangeError when the bytes do not fit the message, or when it has a field that is not in the table.
 */
export function readMessage(type: MessageType, bytes: Buffer): JsonObject {
  const object: Record<string, Json | undefined> = {};
  for (const field of readFields(bytes)) {
    const known = type[field.number];
    if (known === undefined) {
      // Go writes fields that are no pointers even when they are empty.
      if (field.kind === "varint" ? field.value === 0n : field.value.length === 0) continue;
      throw new RangeError(`it has a field (number ${field.number}) that is only understood in JSON`);
    }
    const value = known.read(field);
    if (value === undefined) continue;
    if (known.shape === "list")
      object[known.name] = [...((object[known.name] as readonly Json[] | undefined) ?? []), value];
    else if (known.shape === "single") object[known.name] = value;
    else if (known.shape === "inline") Object.assign(object, value);
    else object[known.name] = { ...(object[known.name] as JsonObject | undefined), ...(value as JsonObject) };
  }
  return object;
}

function asBytes(field: WireField): Buffer {
  if (field.kind !== "bytes") throw new RangeError(`field ${field.number} should be text or a message`);
  return field.value;
}

function asNumber(field: WireField): number {
  if (field.kind !== "varint") throw new RangeError(`field ${field.number} should be a number`);
  return Number(BigInt.asIntN(64, field.value));
}

const readText: ReadValue = (field) => asBytes(field).toString("utf8");
const readNumber: ReadValue = asNumber;
const readFlag: ReadValue = (field) => asNumber(field) !== 0;
const readBase64: ReadValue = (field) => asBytes(field).toString("base64");

// Go writes fields that are no pointers even when they are empty; its JSON leaves them out.
const unlessZero =
  (read: ReadValue): ReadValue =>
  (field) => {
    const value = read(field);
    return value === "" || value === 0 || value === false ? undefined : value;
  };

const single = (name: string, read: ReadValue): FieldType => ({ name, read, shape: "single" });

export const text = (name: string): FieldType => single(name, unlessZero(readText));
export const number = (name: string): FieldType => single(name, unlessZero(readNumber));
export const flag = (name: string): FieldType => single(name, unlessZero(readFlag));

/** Fields that are pointers in Go: present means set, also to an empty value. */
export const setText = (name: string): FieldType => single(name, readText);
export const setNumber = (name: string): FieldType => single(name, readNumber);
export const setFlag = (name: string): FieldType => single(name, readFlag);

export const message = (name: string, type: MessageType): FieldType =>
  single(name, (field) => readMessage(type, asBytes(field)));
/** A message whose fields JSON shows among those of the outer one. */
export const inline = (type: MessageType): FieldType => ({ ...message("", type), shape: "inline" });
export const texts = (name: string): FieldType => ({ ...single(name, readText), shape: "list" });
export const messages = (name: string, type: MessageType): FieldType => ({ ...message(name, type), shape: "list" });

const map = (name: string, readValue: ReadValue): FieldType => ({
  name,
  shape: "map",
  read: (field) => {
    const entry = readMessage({ 1: single("key", readText), 2: single("value", readValue) }, asBytes(field));
    return { [jsonText(entry["key"])]: entry["value"] ?? "" };
  },
});

export const textMap = (name: string): FieldType => map(name, readText);
export const bytesMap = (name: string): FieldType => map(name, readBase64);

/** api/resource Quantity: its text is its only field. */
export const quantityMap = (name: string): FieldType =>
  map(name, (field) => readMessage({ 1: single("text", readText) }, asBytes(field))["text"]);

/** intstr.IntOrString. */
export const intOrString = (name: string): FieldType =>
  single(name, (field) => {
    const {
      type,
      number: int,
      string,
    } = readMessage(
      { 1: single("type", readNumber), 2: single("number", readNumber), 3: single("string", readText) },
      asBytes(field),
    ) as Readonly<Record<string, Json | undefined>>;
    return type === 1 ? string : (int ?? 0);
  });

const readTime =
  (fractionDigits: number): ReadValue =>
  (field) => {
    const fields = readMessage({ 1: single("seconds", readNumber), 2: single("nanos", readNumber) }, asBytes(field));
    const seconds = Number(fields["seconds"] ?? 0);
    // The zero time of Go has no fields at all, and JSON has null for it.
    if (fields["seconds"] === undefined || !Number.isFinite(seconds) || Math.abs(seconds) > 253_402_300_799)
      return undefined;
    const base = new Date(seconds * 1000).toISOString().slice(0, 19);
    const fraction = String(Math.max(0, Number(fields["nanos"] ?? 0)))
      .padStart(9, "0")
      .slice(0, fractionDigits);
    return fractionDigits === 0 ? `${base}Z` : `${base}.${fraction}Z`;
  };

export const time = (name: string): FieldType => single(name, readTime(0));
export const microTime = (name: string): FieldType => single(name, readTime(6));

/** meta/v1 FieldsV1: JSON inside. */
export const fieldsV1 = (name: string): FieldType =>
  single(name, (field) => {
    const raw = readMessage({ 1: single("raw", readText) }, asBytes(field))["raw"];
    return typeof raw === "string" ? (JSON.parse(raw) as Json) : undefined;
  });
