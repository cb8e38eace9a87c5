// SPDX-License-Identifier: Apache-2.0
import { array, boolean, nat, oneof, pre, property, stringMatching, tuple, uint8Array } from "fast-check";
import { expect, it, test } from "vitest";
import { parseQuery } from "../../src/dns/query.ts";
import { holds } from "../fixtures.ts";
import { questionFor } from "./messages.ts";

/** A question with some of its bytes replaced. */
function changed(at: number, ...bytes: readonly number[]): Buffer {
  const message = questionFor("a.b", { udpBytes: 1232 });
  message.set(bytes, at);
  return message;
}

it("reads a question for addresses", () => {
  const message = questionFor("Web.Example", { type: "AAAA", id: 7, udpBytes: 4096, isDnssecOk: true });
  expect(parseQuery(message)).toEqual({
    kind: "address",
    id: 7,
    flags: 0x0100,
    name: "web.example",
    family: 6,
    end: 29,
    edns: { udpBytes: 4096, isDnssecOk: true },
  });
  expect(parseQuery(questionFor("web.example"))).toMatchObject({ family: 4, edns: undefined });
});

it("takes a size below what everybody takes for that", () => {
  expect(parseQuery(questionFor("a", { udpBytes: 100 }))).toMatchObject({ edns: { udpBytes: 512 } });
});

test.each([
  ["a service record", questionFor("_http._tcp.web", { type: "SRV" })],
  ["an update", questionFor("web", { flags: 0x2800 })],
  ["a truncated question", questionFor("web", { flags: 0x0300 })],
  ["two questions", changed(4, 0, 2)],
  ["no question", changed(4, 0, 0)],
  ["a question with an answer", changed(6, 0, 1)],
  ["a question with an authority", changed(8, 0, 1)],
  ["another class", changed(19, 0, 3)],
  ["a name that begins with a pointer", changed(12, 0xc0, 12)],
  ["a label that is too long", changed(12, 64)],
  ["a label with a dot", questionFor("a.b", {}).fill(".", 13, 14)],
  ["a label that is no text", questionFor("a.b", {}).fill(0xff, 13, 14)],
  ["a name that does not end", questionFor("a.b").subarray(0, 15)],
  ["a name of more than 255 bytes", questionFor(Array.from({ length: 128 }, () => "a").join("."))],
  ["a question that breaks off", questionFor("a.b").subarray(0, 19)],
  ["bytes behind the question", Buffer.concat([questionFor("a.b"), Buffer.from([1])])],
  ["two additional records", changed(10, 0, 2)],
  ["an additional record that is no OPT (a signature, for example)", changed(22, 0, 250)],
  ["a version of EDNS that is not known", changed(27, 1)],
  ["an OPT record that breaks off", questionFor("a.b", { udpBytes: 512 }).subarray(0, 30)],
])("leaves %s to the name server", (_name, message) => {
  expect(parseQuery(message)).toMatchObject({ kind: "other", id: 0x1234 });
});

test.each([
  ["an answer", questionFor("web", { flags: 0x8100 })],
  ["a header that breaks off", questionFor("web").subarray(0, 11)],
  ["nothing", Buffer.alloc(0)],
])("does not answer %s", (_name, message) => {
  expect(parseQuery(message)).toEqual({ kind: "none" });
});

it("never throws, and what it takes for a question is one", () => {
  const message = oneof(
    uint8Array({ maxLength: 600 }),
    tuple(uint8Array({ maxLength: 40 }), nat(40)).map(([bytes, at]) =>
      Buffer.concat([questionFor("web.default", { udpBytes: 1232 }).subarray(0, at), bytes]),
    ),
  );
  const claim = property(message, (bytes) => {
    const query = parseQuery(bytes);
    if (query.kind !== "address") return true;
    const labels = query.name.split(".");
    return query.end <= bytes.length && labels.every((label) => label.length <= 63) && query.name.length <= 253;
  });
  expect(holds(claim)).toBe(true);
});

it("reads back every name that can be asked for", () => {
  const label = stringMatching(/^[a-z0-9_*-]{1,63}$/);
  const name = array(label, { minLength: 1, maxLength: 8 }).map((labels) => labels.join("."));
  const claim = property(name, boolean(), (text, isSix) => {
    pre(text.length < 250);
    const query = parseQuery(questionFor(text, { type: isSix ? "AAAA" : "A" }));
    return query.kind === "address" && query.name === text && query.family === (isSix ? 6 : 4);
  });
  expect(holds(claim)).toBe(true);
});
