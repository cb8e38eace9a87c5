// SPDX-License-Identifier: Apache-2.0
import { type HeaderValueOption, HeaderValueOption_HeaderAppendAction as Action } from "@ambientmesh/api/envoy/core";
import { invalid } from "../config/refusal.ts";
import type { HeaderList } from "../http/header-list.ts";
import { compileFormat } from "../telemetry/format.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";

/** Changes a list of headers. */
export type HeaderMutation = (headers: HeaderList, record: RequestRecord) => void;

/** Removals come before additions, as in Envoy. `undefined` where there is nothing to do. */
export function compileHeaderMutation(
  add: readonly HeaderValueOption[],
  remove: readonly string[],
  path: string,
): HeaderMutation | undefined {
  if (add.length === 0 && remove.length === 0) return undefined;
  const removed = remove.map((name, index) => removable(name, `${path}_headers_to_remove[${index}]`));
  const added = add.map((option, index) => compileAddition(option, `${path}_headers_to_add[${index}]`));
  return (headers, record) => {
    for (const name of removed) headers.remove(name);
    for (const apply of added) apply(headers, record);
  };
}

function removable(name: string, path: string): string {
  const lower = name.toLowerCase();
  if (lower.startsWith(":") || lower === "host") throw invalid(path, `names ${lower}, which can't be removed`);
  return lower;
}

function compileAddition(option: HeaderValueOption, path: string): HeaderMutation {
  const name = option.header?.key.toLowerCase() ?? "";
  // Pseudo headers and the host have fields of their own for this in routes.
  if (name.startsWith(":") || name === "host") throw invalid(`${path}.header.key`, `is ${name}, which can't be added`);
  const format = compileFormat(option.header?.value ?? "", `${path}.header.value`, "");
  // `append` is the older form of the action: absent or true appends.
  const action = option.append === false ? Action.OVERWRITE_IF_EXISTS_OR_ADD : option.appendAction;
  return (headers, record) => {
    const value = format(record);
    if (value === "" && !option.keepEmptyValue) return;
    if (action === Action.APPEND_IF_EXISTS_OR_ADD) headers.append(name, value);
    else if (action === Action.OVERWRITE_IF_EXISTS_OR_ADD) headers.set(name, value);
    else if (headers.has(name) === (action === Action.OVERWRITE_IF_EXISTS)) headers.set(name, value);
  };
}
