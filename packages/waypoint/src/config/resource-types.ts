// SPDX-License-Identifier: Apache-2.0
import { envoyRegistry } from "@ambientmesh/api/envoy";
import { createValidator, validationError, type Validator } from "@ambientmesh/api/validate";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { waypointErrors } from "../errors.ts";
import { refuseUnsupported } from "./check-fields.ts";
import { SUPPORTED_FIELDS } from "./supported-fields.ts";

let validator: Validator | undefined;

/**
 * Checks a resource by the rules of its type and for fields that are not implemented.
 * @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED
 */
export function checkResource<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>, path = ""): void {
  // Its rules are compiled as they are needed, once for all.
  validator ??= createValidator({ registry: envoyRegistry });
  const result = validator.validate(schema, message);
  if (!result.ok) {
    const { message: text, details } = validationError(schema, result.violations);
    throw waypointErrors.create("WAYPOINT_CONFIG_INVALID", text, { details });
  }
  refuseUnsupported(schema, message, { supported: SUPPORTED_FIELDS, registry: envoyRegistry }, path);
}
