// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Sighting } from "../../src/story/witness/capture.ts";
import { pcapHeader, pcapRecord, tcpSegments } from "../../src/story/witness/pcap.ts";
import { beginsWithHandshake, serverHelloVersion } from "../../src/story/witness/tls.ts";

interface Spec {
  readonly from: string;
  readonly to: string;
  readonly payload?: string | Buffer;
  readonly flags?: number;
}

function frame({ from, to, payload = "", flags = 0x18 }: Spec): Buffer {
  const [source, sourcePort] = from.split(":") as [string, string];
  const [destination, destinationPort] = to.split(":") as [string, string];
  const data = Buffer.from(payload as string);
  const bytes = Buffer.alloc(14 + 20 + 20 + data.length);
  bytes.writeUInt16BE(0x0800, 12);
  bytes.writeUInt8(0x45, 14);
  bytes.writeUInt16BE(40 + data.length, 16);
  bytes.writeUInt8(6, 23);
  bytes.set(source.split(".").map(Number), 26);
  bytes.set(destination.split(".").map(Number), 30);
  bytes.writeUInt16BE(Number(sourcePort), 34);
  bytes.writeUInt16BE(Number(destinationPort), 36);
  bytes.writeUInt8(0x50, 46);
  bytes.writeUInt8(flags, 47);
  bytes.set(data, 54);
  return bytes;
}

function pcap(frames: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt32LE(1, 20);
  const records = frames.map((bytes) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    return Buffer.concat([record, bytes]);
  });
  return Buffer.concat([header, ...records]);
}

/** A ServerHello with one extension, in a record of its own. */
function serverHello(version: number | undefined): Buffer {
  const extensions = version === undefined ? [0, 23, 0, 0] : [0, 43, 0, 2, version >> 8, version & 0xff];
  const body = [3, 3, ...Array<number>(32).fill(7), 0, 0x13, 0x01, 0, 0, extensions.length, ...extensions];
  return Buffer.from([0x16, 3, 3, 0, body.length + 4, 2, 0, 0, body.length, ...body]);
}

describe("tcpSegments", () => {
  it("reads addresses, ports, flags and payload, and leaves out what is not TCP over IPv4", () => {
    const arp = Buffer.alloc(60);
    arp.writeUInt16BE(0x0806, 12);
    const padded = Buffer.concat([frame({ from: "10.0.0.1:1", to: "10.0.0.2:2" }), Buffer.alloc(6)]);
    const segments = tcpSegments(
      pcap([frame({ from: "10.244.1.2:40000", to: "10.244.2.3:80", payload: "GET /x", flags: 0x02 }), arp, padded]),
    );
    expect(segments).toEqual([
      {
        source: "10.244.1.2",
        sourcePort: 40_000,
        destination: "10.244.2.3",
        destinationPort: 80,
        isSyn: true,
        payload: Buffer.from("GET /x"),
      },
      {
        source: "10.0.0.1",
        sourcePort: 1,
        destination: "10.0.0.2",
        destinationPort: 2,
        isSyn: false,
        payload: Buffer.alloc(0),
      },
    ]);
  });

  it("leaves out a record that is cut off", () => {
    const whole = pcap([frame({ from: "1.1.1.1:1", to: "2.2.2.2:2", payload: "abc" })]);
    expect(tcpSegments(whole.subarray(0, -1))).toEqual([]);
  });

  it("refuses what is no capture, and never throws anything else", () => {
    expect(() => tcpSegments(Buffer.from("hello"))).toThrow("not a little-endian pcap file");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) =>
        ["segments", "RangeError"].includes(outcomeOf(() => tcpSegments(pcap([Buffer.from(bytes)])))),
      ),
    );
  });
});

/** "segments", or the name of what was thrown. */
function outcomeOf(work: () => unknown): string {
  try {
    work();
    return "segments";
  } catch (error) {
    return (error as Error).name;
  }
}

it("writes captures that it reads back", () => {
  const sent = frame({ from: "10.244.1.2:40000", to: "10.244.2.3:80", payload: "GET /x" });
  const written = Buffer.concat([pcapHeader(), pcapRecord(sent, 1_700_000_000_123), pcapRecord(sent, 0)]);
  expect(tcpSegments(written)).toEqual(tcpSegments(pcap([sent, sent])));
  expect(written.readUInt32LE(24)).toBe(1_700_000_000);
  expect(written.readUInt32LE(28)).toBe(123_000);
});

describe("TLS evidence", () => {
  it.each([
    [0x0304, 0x0304],
    [0x0303, 0x0303],
    [undefined, undefined],
  ])("reads the version %s of a ServerHello", (version, expected) => {
    expect(serverHelloVersion(serverHello(version))).toBe(expected);
  });

  it("sees no ServerHello in other bytes", () => {
    expect(serverHelloVersion(Buffer.from("HTTP/1.1 200 OK"))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const forged = Buffer.from([0x16, 3, 3, 0, 90, 2, ...bytes]);
        expect(() => serverHelloVersion(forged)).not.toThrow();
      }),
    );
    expect(beginsWithHandshake(Buffer.from([0x17, 3, 3, 0, 1]))).toBe(false);
  });
});

describe("Sighting", () => {
  const seen = new Sighting(
    "tcpdump",
    tcpSegments(
      pcap([
        frame({ from: "10.244.0.1:40000", to: "10.244.0.2:15008", payload: serverHello(0x0304) }),
        frame({ from: "10.244.0.1:40000", to: "10.244.0.2:15008", payload: "second" }),
        frame({ from: "10.244.0.2:15008", to: "10.244.0.1:40000", payload: "back" }),
        frame({ from: "10.244.0.3:5", to: "10.244.0.4:80", payload: "clear secret" }),
        frame({ from: "10.244.0.3:6", to: "10.244.0.4:80", flags: 0x02 }),
        // The FIN of a connection that was there before.
        frame({ from: "10.244.0.4:80", to: "10.244.0.3:4", flags: 0x11 }),
        frame({ from: "10.99.0.3:5", to: "10.99.0.4:80", payload: "secret of nodes, not of pods" }),
      ]),
    ),
  );

  it("finds text in clear, bytes beside a port, and the first bytes of each direction", () => {
    expect(seen.occurrences("secret")).toBe(1);
    expect(seen.occurrences("nothing")).toBe(0);
    expect(seen.besidePort(15008)).toEqual(["10.244.0.3:5 > 10.244.0.4:80", "10.244.0.3:6 > 10.244.0.4:80"]);
    expect(seen.firstPayloads(15008).map(({ payload }) => payload.length)).toEqual([serverHello(0x0304).length, 4]);
  });
});
