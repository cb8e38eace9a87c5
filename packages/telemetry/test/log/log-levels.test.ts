// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { expect, it, test } from "vitest";
import { LogLevels, createAccessLog, createLogger, telemetryErrors, type LogRecord } from "../../src/index.ts";

test.each([
  ["info", "xds", ["error", "warn", "info"]],
  ["warn", "xds", ["error", "warn"]],
  ["off", "xds", []],
  ["xds=debug", "xds.client", ["error", "warn", "info", "debug"]],
  ["xds=debug", "xdsx", ["error", "warn", "info"]],
  ["xds=trace,xds.client=error", "xds.client.stream", ["error"]],
  ["xds=off,warn", "xds", []],
  ["error, warn,", "any", ["error", "warn"]],
])("%j lets scope %j write %j", (filter, scope, expected) => {
  const levels = new LogLevels(filter);
  const written = (["error", "warn", "info", "debug", "trace"] as const).filter((l) => levels.isEnabled(scope, l));
  expect(written).toEqual(expected);
});

test.each([
  ["loud", 'names "loud"'],
  ["xds=loud", 'names "loud"'],
  ["xds", 'names "xds"'],
  [" info , xds = debug ", 'names " debug"'],
  ["=debug", "not the name of a scope"],
  ["a b=debug", "not the name of a scope"],
  [`${"x".repeat(200)}=debug`, "not the name of a scope"],
  [Array.from({ length: 200 }, (_, i) => `s${i}=info`).join(","), "more than 100"],
])("refuses %.30j", (filter, problem) => {
  const levels = new LogLevels("warn");
  expect(() => levels.append(filter)).toThrow(problem);
  expect(() => levels.reset(filter)).toThrow(problem);
  expect(String(levels)).toBe("warn");
});

it("appends, replaces and starts over as ztunnel's /logging does", () => {
  const levels = new LogLevels("info,dns=warn");
  levels.append("xds=debug");
  levels.append("debug,dns=error");
  expect(String(levels)).toBe("debug,dns=error,xds=debug");
  levels.reset();
  expect(String(levels)).toBe("info,dns=warn");
  levels.reset("xds=trace");
  expect(String(levels)).toBe("info,dns=warn,xds=trace");
});

it("changes nothing when one part is wrong, and bounds what appending can gather", () => {
  const levels = new LogLevels("info");
  expect(() => levels.append("xds=debug,dns=loud")).toThrow("loud");
  expect(String(levels)).toBe("info");
  expect(() => {
    for (let i = 0; i < 200; i++) levels.append(`s${i}=debug`);
  }).toThrow("more than 100");
});

it("knows Istio's names of targets", () => {
  const levels = new LogLevels("info,ztunnel::xds::client=debug,hickory_server::server=off", { program: "ztunnel" });
  expect(String(levels)).toBe("info,xds.client=debug,hickory_server.server=off");
  levels.append("ztunnel=trace");
  expect(String(levels)).toBe("trace,xds.client=debug,hickory_server.server=off");
});

/** The filter as LogLevels prints it; "off" for one it refuses with its code. */
function printed(filter: string): string {
  try {
    return String(new LogLevels(filter));
  } catch (error) {
    if (telemetryErrors.is(error, "LOG_FILTER_INVALID")) return "off";
    throw error;
  }
}

test("any filter is taken or refused with a code, and prints as one that means the same", () => {
  const part = fc.constantFrom("info", "off", "xds=debug", "a.b=warn", "", "x=", "=", "a::b=trace", "loud");
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(part).map((parts) => parts.join(",")),
      ),
      (filter) => {
        expect(printed(filter)).toBe(printed(printed(filter)));
      },
    ),
  );
});

function capture(filter: string) {
  const records: LogRecord[] = [];
  const levels = new LogLevels(filter);
  const output = { write: (record: LogRecord) => records.push(record) > 0 };
  const clock = { now: () => 1000 } as never;
  return { records, levels, deps: { output, levels, clock } };
}

it("logs under scopes with their fields, and follows changes of the levels at once", () => {
  const { records, levels, deps } = capture("info");
  const logger = createLogger(deps, { scope: "ztunnel", fields: { node: "n1" } });
  const xds = logger.child("xds", { peer: "istiod" });
  logger.info("started", { port: 1 });
  xds.debug("hidden");
  expect(xds.isEnabled("debug")).toBe(false);
  levels.append("xds=debug");
  expect(xds.isEnabled("debug")).toBe(true);
  xds.child("xds.client").debug("shown", { peer: "other" });
  levels.reset();
  xds.debug("hidden again");
  for (const level of ["error", "warn", "info", "debug", "trace"] as const) xds[level]("last");
  expect(records).toEqual([
    {
      timeMs: 1000,
      level: "info",
      scope: "ztunnel",
      message: "started",
      fields: [
        ["node", "n1"],
        ["port", 1],
      ],
    },
    {
      timeMs: 1000,
      level: "debug",
      scope: "xds.client",
      message: "shown",
      fields: [
        ["node", "n1"],
        ["peer", "other"],
      ],
    },
    ...(["error", "warn", "info"] as const).map((level) => ({
      timeMs: 1000,
      level,
      scope: "xds",
      message: "last",
      fields: [
        ["node", "n1"],
        ["peer", "istiod"],
      ],
    })),
  ]);
});

it("keeps the order of access log fields and has its own level", () => {
  const { records, levels, deps } = capture("info");
  const access = createAccessLog(deps);
  access.write("info", "connection complete", [
    ["z", 1],
    ["a", 2],
  ]);
  access.write("debug", "connection opened", []);
  levels.append("access=off");
  expect(access.isEnabled("info")).toBe(false);
  access.write("info", "connection complete", []);
  expect(records).toEqual([
    {
      timeMs: 1000,
      level: "info",
      scope: "access",
      message: "connection complete",
      fields: [
        ["z", 1],
        ["a", 2],
      ],
    },
  ]);
});
