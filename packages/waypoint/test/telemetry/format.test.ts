// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isMeshError } from "@ambientmesh/core";
import { HeaderList } from "../../src/http/header-list.ts";
import { compileFormat } from "../../src/telemetry/format.ts";
import { newRecord } from "../../src/telemetry/request-record.ts";

const head = {
  method: "GET",
  path: "/a?b",
  authority: "app",
  scheme: "http",
  protocol: "HTTP/1.1",
  headers: new HeaderList([
    ["x-a", "one"],
    ["x-a", "two"],
  ]),
} as const;
const connection = {
  remoteAddress: "10.0.0.1",
  remotePort: 5,
  localAddress: "2001:db8::1",
  localPort: 80,
  isEncrypted: false,
  principals: undefined,
};
const record = newRecord(connection, { ...head }, { ms: 0, monotonicMs: 0 });

function outcomeOf(format: string): string {
  try {
    return typeof compileFormat(format, "at", "-")(record) === "string" ? "text" : "nothing";
  } catch (error) {
    return isMeshError(error) ? error.code : "another error";
  }
}

describe("formats", () => {
  test.each([
    ["%REQ(:PATH)%", "/a?b"],
    ["%REQ(X-A)%", "one,two"],
    ["%REQ(X-NONE?:AUTHORITY)%", "app"],
    ["%REQ(X-A):3%", "one"],
    ["%RESP(X-A)%", "-"],
    ["100%% %PROTOCOL%", "100% HTTP/1.1"],
    ["%START_TIME%", "1970-01-01T00:00:00.000Z"],
    ["%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%", "10.0.0.1:5 [2001:db8::1]:80"],
    ["plain", "plain"],
    ["", ""],
  ])("%s is %s", (format, expected) => expect(compileFormat(format, "at", "-")(record)).toBe(expected));

  test.each(["%NOBODY%", "%REQ%", "%DYNAMIC_METADATA(a)%", "50% off", "%START_TIME(%s)%"])(
    "%s is refused",
    (format) => {
      expect(() => compileFormat(format, "at", "-")).toThrow(
        expect.objectContaining({ code: "WAYPOINT_CONFIG_UNSUPPORTED" }),
      );
    },
  );

  test("any text compiles or is refused", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("%", "REQ", "(", ")", "X-A", "?", ":", "1", "PROTOCOL", "é")), (parts) => {
        expect(outcomeOf(parts.join(""))).toMatch(/^(text|WAYPOINT_CONFIG_UNSUPPORTED)$/);
      }),
    );
  });
});
