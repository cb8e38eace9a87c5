// SPDX-License-Identifier: Apache-2.0

/** One TCP segment over IPv4 as captured. */
export interface TcpSegment {
  /** Dotted address and port of the sender. */
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly isSyn: boolean;
  readonly payload: Buffer;
}

const MAGIC = 0xa1b2c3d4;
const LINK_ETHERNET = 1;
const MAX_FRAME_BYTES = 262_144;
const PCAP_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET_BYTES = 14;
const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_TCP = 6;
const FLAG_SYN = 0x02;

/** The beginning of a capture of Ethernet frames in libpcap's classic format. */
export function pcapHeader(): Buffer {
  const header = Buffer.alloc(PCAP_HEADER_BYTES);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(MAX_FRAME_BYTES, 16);
  header.writeUInt32LE(LINK_ETHERNET, 20);
  return header;
}

/** One frame of a capture, seen at a time in ms since 1970. */
export function pcapRecord(frame: Buffer, timeMs: number): Buffer {
  const header = Buffer.alloc(RECORD_HEADER_BYTES);
  header.writeUInt32LE(Math.floor(timeMs / 1000), 0);
  header.writeUInt32LE((timeMs % 1000) * 1000, 4);
  header.writeUInt32LE(frame.length, 8);
  header.writeUInt32LE(frame.length, 12);
  return Buffer.concat([header, frame]);
}

/**
 * The TCP segments of a capture in libpcap's classic format with Ethernet frames, as `tcpdump -w` writes on the
 * machine it runs on (microsecond stamps, little endian). A record cut off at the end is left out.
 * @throws RangeError when the bytes are not such a capture.
 */
export function tcpSegments(capture: Buffer): TcpSegment[] {
  if (
    capture.length < PCAP_HEADER_BYTES ||
    capture.readUInt32LE(0) !== MAGIC ||
    capture.readUInt32LE(20) !== LINK_ETHERNET
  ) {
    throw new RangeError("not a little-endian pcap file of Ethernet frames");
  }
  const segments: TcpSegment[] = [];
  for (let at = PCAP_HEADER_BYTES; at + RECORD_HEADER_BYTES <= capture.length;) {
    const length = capture.readUInt32LE(at + 8);
    const frame = capture.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
    if (frame.length < length) break;
    const segment = segmentOf(frame);
    if (segment) segments.push(segment);
    at += RECORD_HEADER_BYTES + length;
  }
  return segments;
}

function segmentOf(frame: Buffer): TcpSegment | undefined {
  if (frame.length < ETHERNET_BYTES + 20 || frame.readUInt16BE(12) !== ETHERTYPE_IPV4) return undefined;
  const packet = frame.subarray(ETHERNET_BYTES);
  const headerBytes = (packet.readUInt8(0) & 0x0f) * 4;
  if (packet.readUInt8(9) !== PROTOCOL_TCP || packet.length < headerBytes + 20) return undefined;
  // The total length cuts off Ethernet's padding; 0 means "see the frame" (segmentation offload).
  const tcp = packet.subarray(headerBytes, packet.readUInt16BE(2) || packet.length);
  return {
    source: packet.subarray(12, 16).join("."),
    sourcePort: tcp.readUInt16BE(0),
    destination: packet.subarray(16, 20).join("."),
    destinationPort: tcp.readUInt16BE(2),
    isSyn: (tcp.readUInt8(13) & FLAG_SYN) !== 0,
    payload: tcp.subarray((tcp.readUInt8(12) >> 4) * 4),
  };
}
