// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { MeshError } from "@ambientmesh/core";
import { bare, createFormatter, type LogField, type LogRecord } from "../../src/index.ts";

const plain = createFormatter("plain");
const json = createFormatter("json");
const record = (fields: readonly LogField[], message = "connection complete"): LogRecord => ({
  timeMs: Date.UTC(2026, 10, 23, 12, 30, 18, 42) + 0.5,
  level: "info",
  scope: "access",
  message,
  fields,
});

describe("plain", () => {
  it("is ztunnel's line", () => {
    const fields: LogField[] = [
      ["src.addr", bare("10.0.2.3:40000")],
      ["src.workload", "client-1"],
      ["src.identity", "spiffe://cluster.local/ns/default/sa/client"],
      ["dst.service", undefined],
      ["dst.addr", bare("[fd00::1]:15008")],
      ["bytes_sent", 11],
      ["duration", "3ms"],
    ];
    expect(plain(record(fields))).toBe(
      '2026-11-23T12:30:18.042500Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.2.3:40000 src.workload="client-1" ' +
        'src.identity="spiffe://cluster.local/ns/default/sa/client" dst.addr=[fd00::1]:15008 bytes_sent=11 duration="3ms"\n',
    );
  });

  it("ends after the message when there are no fields", () => {
    expect(plain(record([]))).toBe("2026-11-23T12:30:18.042500Z\tinfo\taccess\tconnection complete\n");
  });

  test.each<[unknown, string]>([
    ['say "hi"\n\tbye\\', 'f="say \\"hi\\"\\n\\tbye\\\\"'],
    ["\u001b[2J\u009b31m\u007f", 'f="\\u001b[2J\\u009b31m\\u007f"'],
    ["a\u2028b\u202ec", 'f="a\\u2028b\\u202ec"'],
    [bare("1.2.3.4:5 forged=1"), 'f="1.2.3.4:5 forged=1"'],
    [bare(""), 'f=""'],
    [true, "f=true"],
    [12n, "f=12"],
    [null, "f=null"],
    [Symbol("x"), 'f="Symbol(x)"'],
    [{ a: [1, "\n"] }, "f=\"{ a: [ 1, '\\\\n' ] }\""],
    [new Error("outer", { cause: new Error("inner") }), 'f="outer: inner"'],
    [new MeshError("XDS_NACK", "bad policy"), 'f="bad policy" f.code="XDS_NACK"'],
  ])("writes %o as %s", (value, text) => {
    expect(plain(record([["f", value]]))).toBe(
      `2026-11-23T12:30:18.042500Z\tinfo\taccess\tconnection complete\t${text}\n`,
    );
  });

  it("cuts what is too long", () => {
    expect(plain(record([["f", "x".repeat(9000)]])).length).toBeLessThan(8400);
    expect(plain(record([["f", new Error("x".repeat(9000))]])).length).toBeLessThan(8400);
  });
});

describe("json", () => {
  it("has level, time, scope, message and the fields on one level", () => {
    const line = json(
      record([
        ["src.addr", bare("10.0.2.3:40000")],
        ["bytes_sent", 11],
        ["gone", undefined],
      ]),
    );
    expect(line.endsWith("\n")).toBe(true);
    expect(JSON.parse(line)).toEqual({
      level: "info",
      time: "2026-11-23T12:30:18.042500Z",
      scope: "access",
      message: "connection complete",
      "src.addr": "10.0.2.3:40000",
      bytes_sent: 11,
    });
  });

  it("keeps a field from taking the place of a key of the format", () => {
    const fields: LogField[] = ["level", "time", "scope", "message"].map((name) => [name, "forged"]);
    expect(JSON.parse(json(record(fields)))).toEqual({
      level: "info",
      time: "2026-11-23T12:30:18.042500Z",
      scope: "access",
      message: "connection complete",
      "field.level": "forged",
      "field.time": "forged",
      "field.scope": "forged",
      "field.message": "forged",
    });
  });

  it("reads no format letters and survives cycles, big integers and throwing objects", () => {
    const cycle: Record<string, unknown> = { big: 2n };
    cycle["self"] = cycle;
    const bad = {
      toJSON(): never {
        throw new Error("no");
      },
    };
    const line = json(
      record(
        [
          ["cycle", cycle],
          ["bad", bad],
        ],
        "100 %s %d %j %%",
      ),
    );
    expect(JSON.parse(line)).toMatchObject({ message: "100 %s %d %j %%", cycle: { big: 2 } });
  });

  it("carries the code of a mesh error", () => {
    const line = json(record([["error", new MeshError("XDS_NACK", "bad policy", { cause: "why" })]]));
    expect(JSON.parse(line)).toMatchObject({ error: "bad policy: why", "error.code": "XDS_NACK" });
  });
});

const field = fc.tuple(fc.string({ unit: "binary", maxLength: 20 }), fc.anything({ withBigInt: true, withMap: true }));

test("whatever is logged stays one line without control characters", () => {
  // Everything below space but the separators, DEL, C1 and what turns or breaks lines.
  // oxlint-disable-next-line no-control-regex
  const forbidden = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
  fc.assert(
    fc.property(fc.array(field, { maxLength: 5 }), fc.string({ unit: "binary" }), (fields, message) => {
      for (const format of [plain, json]) {
        const line = format(record(fields, message));
        expect(line.endsWith("\n")).toBe(true);
        expect(line.slice(0, -1)).not.toMatch(forbidden);
      }
      expect(plain(record(fields, message)).split("\t")).toHaveLength(fields.some(([, v]) => v !== undefined) ? 5 : 4);
      expect(JSON.parse(json(record(fields, message)))).toMatchObject({ level: "info", scope: "access", message });
    }),
    { numRuns: 300 },
  );
});

test("a quoted text of the plain format is read back by JSON", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const line = plain(record([["f", text]]));
      expect(JSON.parse(line.slice(line.indexOf("\tf=") + 3))).toBe(text);
    }),
  );
});
