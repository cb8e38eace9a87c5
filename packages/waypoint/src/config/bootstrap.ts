// SPDX-License-Identifier: Apache-2.0
import { envoyRegistry } from "@ambientmesh/api/envoy";
import { BootstrapSchema, type Bootstrap } from "@ambientmesh/api/envoy/bootstrap";
import { messageOf } from "@ambientmesh/core";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { parse } from "yaml";
import { waypointErrors } from "../errors.ts";

/** Reads a bootstrap of Envoy v3, as YAML or JSON. @throws MeshError WAYPOINT_BOOTSTRAP */
export function parseBootstrap(text: string, path: string): Bootstrap {
  try {
    return fromJson(BootstrapSchema, parse(text) as JsonValue, { registry: envoyRegistry });
  } catch (cause) {
    throw waypointErrors.create("WAYPOINT_BOOTSTRAP", `${path} is no bootstrap: ${messageOf(cause)}`, {
      cause,
      details: { path },
    });
  }
}

const FIELDS = new Set(["node", "staticResources", "dynamicResources", "admin"]);

/** What of a bootstrap is not looked at, in proto names: this proxy starts without it, or refuses to. */
export function unsupportedBootstrapFields(bootstrap: Bootstrap): readonly string[] {
  return BootstrapSchema.fields.flatMap((field) => {
    const value = bootstrap[field.localName as keyof Bootstrap] as unknown;
    const isSet = Array.isArray(value)
      ? value.length > 0
      : isPlain(value)
        ? Object.keys(value).length > 0
        : Boolean(value);
    return isSet && !FIELDS.has(field.localName) ? [field.name] : [];
  });
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && !("$typeName" in value);
}
