// SPDX-License-Identifier: Apache-2.0
import { type DescMessage, type MessageInitShape, create, createFileRegistry, setExtension } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  type FieldDescriptorProto_Type,
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import { FieldRulesSchema, file_validate_validate, rules as rulesOption } from "../../src/gen/validate/validate_pb.ts";
import { type Validator, createValidator } from "../../src/validate/index.ts";

const plain = createValidator();

export type RulesInit = MessageInitShape<typeof FieldRulesSchema>;

/**
 * What is wrong with one field when it has a value and nothing else is set: the rules, each behind the place in the field if
 * that is not the field itself.
 */
export function broken(schema: DescMessage, field: string, value: unknown, validator = plain): string[] {
  const { localName } = schema.fields.find(({ name }) => name === field) ?? {};
  if (localName === undefined) throw new Error(`${schema.typeName} has no field ${field}`);
  const message = create(schema, { [localName]: value });
  return brokenIn(schema, message, validator)
    .filter(([path]) => path === field || path.startsWith(`${field}.`) || path.startsWith(`${field}[`))
    .map(([path, rule]) => `${path.slice(field.length)} ${rule}`.trim());
}

/** Path and rule of everything that is wrong with a message. */
export function brokenIn(
  schema: DescMessage,
  message: object,
  validator: Validator = createValidator(),
): [path: string, rule: string][] {
  const result = validator.validate(schema, message as ReturnType<typeof create>);
  return result.ok ? [] : result.violations.map(({ path, rule }) => [path, rule]);
}

/** A proto3 message type with one field, `value`, made at run time. */
export function typeWith(type: FieldDescriptorProto_Type, rules: RulesInit, isRepeated = false): DescMessage {
  const options = create(FieldOptionsSchema);
  setExtension(options, rulesOption, create(FieldRulesSchema, rules));
  const label = isRepeated ? FieldDescriptorProto_Label.REPEATED : FieldDescriptorProto_Label.OPTIONAL;
  const file = create(FileDescriptorProtoSchema, {
    name: "made.proto",
    syntax: "proto3",
    messageType: [{ name: "Made", field: [{ name: "value", number: 1, type, label, options }] }],
  });
  const made = createFileRegistry(file, (name) => (name === "validate" ? file_validate_validate.proto : undefined));
  return made.getMessage("Made") as DescMessage;
}
