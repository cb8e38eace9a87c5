// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { isMeshError } from "@ambientmesh/core";

/** True if `parse` refuses `text` with its own error code, or gives a value that survives format and parse. */
export function parsesOrRefuses<T>(
  text: string,
  { parse, format, code }: { parse: (text: string) => T; format: (value: T) => string; code: string },
): boolean {
  let value: T;
  try {
    value = parse(text);
  } catch (error) {
    return isMeshError(error, code);
  }
  return isDeepStrictEqual(parse(format(value)), value);
}
