// SPDX-License-Identifier: Apache-2.0
import { decode, encode, type DecodedPacket, type Packet, type RecordType } from "dns-packet";
import { assert, constantFrom, property, string, uint8Array } from "fast-check";
import { describe, expect, it } from "vitest";
import { answerMessage, type Transport } from "../../src/local/dns/answer.ts";
import type { NameContent } from "../../src/local/dns/records.ts";

const CONTENTS: Readonly<Record<string, NameContent>> = {
  "cart.shop.svc.cluster.local": { kind: "addresses", addresses: ["10.96.1.0"] },
  "six.shop.svc.cluster.local": { kind: "addresses", addresses: ["fd00::1"] },
  "many.shop.svc.cluster.local": {
    kind: "addresses",
    addresses: Array.from({ length: 200 }, (_, index) => `10.244.1.${index}`),
  },
  "alias.shop.svc.cluster.local": { kind: "alias", target: "example.com" },
  "_http._tcp.cart.shop.svc.cluster.local": {
    kind: "servers",
    servers: [{ target: "cart.shop.svc.cluster.local", port: 80 }],
  },
  "shop.svc.cluster.local": { kind: "empty" },
};
const lookup = (name: string): NameContent => CONTENTS[name] ?? { kind: "unknown" };

/** With what the types leave out. */
type Decoded = DecodedPacket & { readonly rcode: string };
const read = (message: Buffer | undefined): Decoded => decode(message as Buffer) as Decoded;

function ask(name: string, type: RecordType = "A", parts: Packet = {}, transport: Transport = "udp"): Decoded {
  const question = encode({ type: "query", id: 4711, flags: 0x0100, questions: [{ type, name }], ...parts });
  return read(answerMessage(question, transport, lookup));
}

describe("answers", () => {
  it("are authoritative and repeat the question", () => {
    const answer = ask("cart.shop.svc.cluster.local");
    expect(answer).toMatchObject({ id: 4711, type: "response", flag_aa: true, flag_rd: true, flag_ra: false });
    expect(answer.rcode).toBe("NOERROR");
    expect(answer.questions).toMatchObject([{ name: "cart.shop.svc.cluster.local", type: "A" }]);
    expect(answer.answers).toMatchObject([{ type: "A", data: "10.96.1.0", ttl: 5 }]);
  });

  it.each([
    ["six.shop.svc.cluster.local", "AAAA", [{ type: "AAAA", data: "fd00::1" }]],
    ["alias.shop.svc.cluster.local", "A", [{ type: "CNAME", data: "example.com" }]],
    [
      "_http._tcp.cart.shop.svc.cluster.local",
      "SRV",
      [{ type: "SRV", data: { target: "cart.shop.svc.cluster.local", port: 80 } }],
    ],
  ] as const)("have the records of %s %s", (name, type, answers) => {
    expect(ask(name, type).answers).toMatchObject(answers);
  });

  it.each([
    // The name is there, but not with such a record: no error, and how long to remember that.
    ["cart.shop.svc.cluster.local", "AAAA", "NOERROR"],
    ["_http._tcp.cart.shop.svc.cluster.local", "A", "NOERROR"],
    ["shop.svc.cluster.local", "A", "NOERROR"],
    ["nosuch.shop.svc.cluster.local", "A", "NXDOMAIN"],
  ] as const)("say with the zone's SOA that there is nothing at %s %s: %s", (name, type, rcode) => {
    const answer = ask(name, type);
    expect(answer).toMatchObject({ rcode, answers: [], authorities: [{ type: "SOA", name: "cluster.local" }] });
  });

  it("refuse names elsewhere, and do not ask anybody else", () => {
    expect(ask("example.com")).toMatchObject({ rcode: "REFUSED", answers: [] });
  });

  it("are cut off where UDP has no room, and whole over TCP or with a larger buffer", () => {
    const name = "many.shop.svc.cluster.local";
    expect(ask(name)).toMatchObject({ flag_tc: true, answers: [] });
    expect(ask(name, "A", {}, "tcp")).toMatchObject({ flag_tc: false });
    expect(ask(name, "A", {}, "tcp").answers).toHaveLength(200);
    const large: Packet = {
      additionals: [
        {
          type: "OPT",
          name: ".",
          udpPayloadSize: 16_384,
          flags: 0,
          extendedRcode: 0,
          ednsVersion: 0,
          flag_do: false,
          options: [],
        },
      ],
    };
    expect(ask(name, "A", large).answers).toHaveLength(200);
  });
});

describe("other messages", () => {
  const question = encode({ type: "query", id: 1, questions: [{ type: "A", name: "cart.shop.svc.cluster.local" }] });

  it("are not answered if they are answers, or shorter than a header", () => {
    const answer = Buffer.from(question);
    answer.writeUInt8(0x80, 2);
    expect(answerMessage(answer, "udp", lookup)).toBeUndefined();
    expect(answerMessage(question.subarray(0, 11), "udp", lookup)).toBeUndefined();
    expect(answerMessage(Buffer.alloc(0), "udp", lookup)).toBeUndefined();
  });

  it("are answered with an error if they ask for something else than one name", () => {
    const none = encode({ type: "query", id: 2, questions: [] });
    const two = encode({
      type: "query",
      id: 3,
      questions: [
        { type: "A", name: "a" },
        { type: "A", name: "b" },
      ],
    });
    const status = Buffer.from(question);
    status.writeUInt8(0x10, 2);
    const codes = [none, two, status].map((message) => read(answerMessage(message, "udp", lookup)).rcode);
    expect(codes).toEqual(["FORMERR", "FORMERR", "NOTIMP"]);
  });

  it("are answered with their own id if they can't be read", () => {
    const broken = Buffer.concat([question.subarray(0, 12), Buffer.from([0xc0, 0xff])]);
    const answer = read(answerMessage(broken, "udp", lookup));
    expect(answer).toMatchObject({ id: 1, rcode: "FORMERR", questions: [] });
  });

  it("never break the server, whatever the bytes are", () => {
    const transports = constantFrom<Transport>("udp", "tcp");
    assert(
      property(uint8Array({ maxLength: 600 }), transports, (bytes, transport) => {
        const message = Buffer.from(bytes);
        const answer = answerMessage(message, transport, lookup) ?? message;
        expect(answer.subarray(0, 2)).toEqual(message.subarray(0, 2));
      }),
    );
  });

  it("never break the server, whatever a header is followed by", () => {
    assert(
      property(uint8Array({ maxLength: 300 }), (bytes) => {
        const answer = answerMessage(Buffer.concat([question.subarray(0, 12), bytes]), "udp", lookup);
        expect((answer ?? Buffer.alloc(12)).length).toBeGreaterThanOrEqual(12);
      }),
    );
  });

  it("never break the server, whatever is asked for", () => {
    assert(
      property(string({ unit: "binary", maxLength: 80 }), (label) => {
        let message: Buffer;
        try {
          message = encode({ type: "query", id: 1, questions: [{ type: "A", name: `${label}.cluster.local` }] });
        } catch {
          // No name: dns-packet can't even write it.
          return;
        }
        answerMessage(message, "udp", lookup);
      }),
    );
  });
});
