// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from "node:net";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const DATE_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/i;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const TEXT_FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  "date-time": (text) => DATE_TIME.test(text) && !Number.isNaN(Date.parse(text)),
  byte: (text) => BASE64.test(text),
  uuid: (text) => UUID.test(text),
  ipv4: isIPv4,
  ipv6: isIPv6,
};

const NUMBER_FORMATS: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** True if the text is of the format, or the format is one that is not checked. */
export function isTextOfFormat(text: string, format: string): boolean {
  const check = Object.hasOwn(TEXT_FORMATS, format) ? TEXT_FORMATS[format] : undefined;
  return check === undefined || check(text);
}

/** True if the number is of the format, or the format is one that is not checked. */
export function isNumberOfFormat(value: number, format: string): boolean {
  const range = Object.hasOwn(NUMBER_FORMATS, format) ? NUMBER_FORMATS[format] : undefined;
  if (range === undefined || !Number.isInteger(value)) return true;
  return BigInt(value) >= range[0] && BigInt(value) <= range[1];
}
