// SPDX-License-Identifier: Apache-2.0
import { FileAccessLogSchema, StdoutAccessLogSchema, type AccessLog } from "@ambientmesh/api/envoy/access-log";
import type { SubstitutionFormatString } from "@ambientmesh/api/envoy/core";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { unsupported } from "../config/refusal.ts";
import { compileFormat } from "./format.ts";
import type { RequestRecord } from "./request-record.ts";

/** Takes lines without their line feed. */
export type LineSink = (line: string) => void;

type Value = string | { [name: string]: Value };
type Template = ((record: RequestRecord) => string) | { readonly [name: string]: Template };

const STDOUT = "/dev/stdout";
/** Istio 1.31's text format. */
const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%";

/** @throws MeshError WAYPOINT_CONFIG_UNSUPPORTED */
export function compileAccessLog(log: AccessLog, sink: LineSink, path: string): (record: RequestRecord) => void {
  const config = log.configType.case === "typedConfig" ? log.configType.value : undefined;
  const at = `${path}.typed_config`;
  const stdout = config && anyUnpack(config, StdoutAccessLogSchema);
  const file = config && anyUnpack(config, FileAccessLogSchema);
  if (file && file.path !== STDOUT) throw unsupported(`${at}.path`, `${file.path} is not supported; use ${STDOUT}`);
  const format = file?.accessLogFormat ?? stdout?.accessLogFormat;
  if (!file && !stdout) throw unsupported(at);
  const line = compileLine(format?.case === "logFormat" ? format.value : undefined, `${at}.log_format`);
  return (record) => sink(line(record));
}

function compileLine(format: SubstitutionFormatString | undefined, path: string): (record: RequestRecord) => string {
  if (format?.format.case === "jsonFormat") {
    const template = compileTemplate(format.format.value, `${path}.json_format`);
    return (record) => JSON.stringify(render(template, record));
  }
  const source = format?.format.case === "textFormatSource" ? format.format.value.specifier : undefined;
  const text =
    source?.case === "inlineString" || source?.case === "inlineBytes" ? String(source.value) : DEFAULT_FORMAT;
  const compiled = compileFormat(text, path, format?.omitEmptyValues ? "" : "-");
  return (record) => compiled(record).replace(/\n$/, "");
}

function compileTemplate(value: unknown, path: string): Template {
  if (typeof value === "string") return compileFormat(value, path, "-");
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw unsupported(path, "has a value that is neither text nor an object");
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, compileTemplate(inner, `${path}["${name}"]`)]),
  );
}

function render(template: Template, record: RequestRecord): Value {
  if (typeof template === "function") return template(record);
  return Object.fromEntries(Object.entries(template).map(([name, inner]) => [name, render(inner, record)]));
}
