// SPDX-License-Identifier: Apache-2.0
import { ok, strictEqual } from "node:assert/strict";
import type { FuzzTargets } from "@ambientmesh/testkit";
import { answerMessage } from "../src/local/dns/answer.ts";
import type { NameLookup } from "../src/local/dns/records.ts";

const PLAIN_UDP_OCTETS = 512;
const labels = (...names: readonly string[]): Buffer =>
  Buffer.concat([...names.map((name) => Buffer.concat([Buffer.of(name.length), Buffer.from(name)])), Buffer.of(0)]);
const question = (type: number, ...names: readonly string[]): Buffer =>
  Buffer.concat([Buffer.from("123401000001000000000000", "hex"), labels(...names), Buffer.of(0, type, 0, 1)]);

/** Many addresses for some names, so that answers don't fit. */
const lookUp: NameLookup = (name) =>
  name.length % 2 === 0
    ? {
        kind: "addresses",
        addresses: Array.from({ length: 60 }, (_unused, at) => (at % 2 === 0 ? `10.0.0.${at}` : `fd00::${at}`)),
      }
    : { kind: "empty" };

export const targets: FuzzTargets = {
  dns: {
    run: (input) => {
      const [udp, tcp] = (["udp", "tcp"] as const).map((transport) => answerMessage(input, transport, lookUp));
      strictEqual(udp === undefined, tcp === undefined);
      if (udp === undefined || tcp === undefined) return "no answer";
      ok(udp.length <= Math.max(PLAIN_UDP_OCTETS, input.length + 64), "an answer is longer than was asked for");
      strictEqual(udp.readUInt16BE(0), input.readUInt16BE(0));
      ok((udp.readUInt16BE(2) & 0x8000) !== 0, "an answer reads like a question");
      return `${udp.readUInt16BE(2) & 15} ${udp.length < tcp.length}`;
    },
    seeds: () => [question(1, "web", "shop", "svc", "cluster", "local"), question(28, "a"), question(255, "x", "y")],
    tokens: [Buffer.from("c00c", "hex"), Buffer.from("00002904d0000000000000", "hex"), "\u0007cluster\u0005local\0"],
    maxLength: 1024,
  },
};
