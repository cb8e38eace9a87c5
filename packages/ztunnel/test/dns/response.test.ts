// SPDX-License-Identifier: Apache-2.0
import { expect, it, test } from "vitest";
import { parseQuery, type AddressQuestion } from "../../src/dns/query.ts";
import { encodeAnswer, encodeFailure, encodeForwardFailure, isFailure, udpLimit } from "../../src/dns/response.ts";
import { decodeMessage, questionFor, type QuestionOptions } from "./messages.ts";

function asked(name: string, options: QuestionOptions = {}): readonly [Buffer, AddressQuestion] {
  const message = questionFor(name, options);
  const query = parseQuery(message);
  if (query.kind !== "address") throw new Error("no question for addresses");
  return [message, query];
}

const ADDRESSES = Array.from({ length: 256 }, (_, at) => `10.0.0.${at}`);

it("answers with the name as it was asked for, whatever its case", () => {
  const [message, question] = asked("WEB.default", { id: 99, flags: 0x0110 });
  const answer = encodeAnswer(
    message,
    question,
    { canonicalName: undefined, addresses: ["10.0.0.1", "10.0.0.2"] },
    512,
  );
  expect(decodeMessage(answer)).toEqual({
    id: 99,
    flags: ["qr", "aa", "rd", "ra", "cd"],
    rcode: 0,
    question: "WEB.default 1",
    answers: ["10.0.0.1", "10.0.0.2"].map((data) => ({ name: "WEB.default", type: "A", ttl: 30, data })),
    edns: undefined,
  });
});

it("leads to the name that the addresses belong to", () => {
  const [message, question] = asked("web.example.default.svc.cluster.local", { type: "AAAA" });
  const answer = encodeAnswer(message, question, { canonicalName: "web.example", addresses: ["fd00::1"] }, 512);
  expect(decodeMessage(answer).answers).toEqual([
    { name: "web.example.default.svc.cluster.local", type: "CNAME", ttl: 30, data: "web.example" },
    { name: "web.example", type: "AAAA", ttl: 30, data: "fd00::1" },
  ]);
});

it("has no error and no records for a name without addresses of the family", () => {
  const [message, question] = asked("web", { udpBytes: 1232, isDnssecOk: true });
  expect(
    decodeMessage(encodeAnswer(message, question, { canonicalName: undefined, addresses: [] }, 512)),
  ).toMatchObject({
    rcode: 0,
    flags: ["qr", "aa", "rd", "ra"],
    answers: [],
    edns: { udpBytes: 1232, isDnssecOk: true },
  });
});

test.each([
  ["a plain client", undefined, 512, 30],
  ["a client that takes more", 1232, 1232, 74],
  ["a client that asks for less than it must take", 100, 512, 29],
  ["a client that takes everything", 65_535, 65_535, 256],
])("fills what %s takes, and says what is left out", (_name, udpBytes, limit, count) => {
  const [message, question] = asked("many.default", udpBytes === undefined ? {} : { udpBytes });
  expect(udpLimit(question)).toBe(limit);
  const answer = encodeAnswer(message, question, { canonicalName: undefined, addresses: ADDRESSES }, limit);
  const { flags, answers } = decodeMessage(answer);
  expect(answer.length).toBeLessThanOrEqual(limit);
  expect(answers).toHaveLength(count);
  expect(flags.includes("tc")).toBe(count < ADDRESSES.length);
});

it("says that it failed, with and without a question that it understood", () => {
  const [message, question] = asked("web", { udpBytes: 1232 });
  const own = encodeFailure(message, question);
  expect(decodeMessage(own)).toMatchObject({ id: 0x1234, rcode: 2, flags: ["qr", "rd", "ra"], question: "web 1" });
  const update = encodeForwardFailure(questionFor("web", { flags: 0x2900 }));
  expect(update.toString("hex")).toBe("1234a9820000000000000000");
  expect([isFailure(own), isFailure(update), isFailure(message), isFailure(Buffer.alloc(3))]).toEqual([
    true,
    true,
    false,
    true,
  ]);
});
