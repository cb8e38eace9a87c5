// SPDX-License-Identifier: Apache-2.0
import { type DescField, type DescMessage, type Message, type Registry, isMessage } from "@bufbuild/protobuf";
import { type ReflectMessage, isReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { type Any, AnySchema, anyUnpack } from "@bufbuild/protobuf/wkt";
import { unsupported } from "./refusal.ts";

/** Fields that are implemented, by message type, in proto names; "all" for values that are taken as they are. */
export type SupportedFields = Readonly<Record<string, readonly string[] | "all">>;

/** What {@link refuseUnsupported} goes by. */
export interface FieldRules {
  readonly supported: SupportedFields;
  /** Types of what is in a google.protobuf.Any. */
  readonly registry: Registry;
}

/**
 * Looks at every field that is set, also inside of extensions.
 * @throws MeshError WAYPOINT_CONFIG_UNSUPPORTED with the path of the first one that is not implemented
 */
export function refuseUnsupported(schema: DescMessage, message: Message, rules: FieldRules, path = ""): void {
  check(reflect(schema, message), rules, path);
}

function check(message: ReflectMessage, rules: FieldRules, path: string): void {
  if (isMessage(message.message, AnySchema)) return checkAny(message.message, rules, path);
  if ((message.message.$unknown?.length ?? 0) > 0) {
    const [field] = message.message.$unknown ?? [];
    throw unsupported(at(path, `field ${field?.no} of ${message.desc.typeName}`), "is not known to this version");
  }
  const fields = rules.supported[message.desc.typeName];
  if (fields === "all") return;
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    if (!fields?.includes(field.name)) throw unsupported(at(path, field.name));
    checkField(message, field, rules, at(path, field.name));
  }
}

function checkField(message: ReflectMessage, field: DescField, rules: FieldRules, path: string): void {
  if (field.fieldKind === "message") return checkValue(message.get(field), rules, path);
  if (field.fieldKind === "list" && field.listKind === "message") {
    let index = 0;
    for (const item of message.get(field)) checkValue(item, rules, `${path}[${index++}]`);
  } else if (field.fieldKind === "map" && field.mapKind === "message") {
    for (const [key, item] of message.get(field)) checkValue(item, rules, `${path}[${JSON.stringify(key)}]`);
  }
}

function checkValue(value: unknown, rules: FieldRules, path: string): void {
  if (isReflectMessage(value)) check(value, rules, path);
}

function checkAny(any: Any, rules: FieldRules, path: string): void {
  const name = any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1);
  const schema = rules.registry.getMessage(name);
  if (!schema || rules.supported[name] === undefined) throw unsupported(path, `of type ${name} is not supported`);
  const inner = anyUnpack(any, rules.registry);
  if (!inner) throw unsupported(path, `holds no ${name}`);
  check(reflect(schema, inner), rules, path);
}

function at(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
