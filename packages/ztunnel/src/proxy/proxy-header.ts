// SPDX-License-Identifier: Apache-2.0
import { familyOf, ipToBytes, type Ip, type SocketAddress } from "../net/address.ts";

/** What a proxy that is the app is told of a connection. */
export interface ProxiedConnection {
  readonly source: SocketAddress;
  /** Where the client wanted to go. */
  readonly destination: SocketAddress;
  /** Of the client, proved by mutual TLS. */
  readonly identity: string;
  /** Name that the client called the destination by. */
  readonly hostname: string | undefined;
}

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
/** Version 2, command PROXY (PROXY protocol, section 2.2). */
const VERSION_AND_COMMAND = 0x21;
/** Family in the upper bits, stream in the lower. */
const STREAM_OVER = { 4: 0x11, 6: 0x21 } as const;
/** Istio's records (workload.proto): who calls, and the host that was meant. */
const RECORD = { IDENTITY: 0xd0, HOST: 0xd1 } as const;

/** The header of PROXY protocol version 2 that goes before the bytes of the client. */
export function encodeProxyHeader({ source, destination, identity, hostname }: ProxiedConnection): Buffer {
  const family = familyOf(source.ip) === 6 || familyOf(destination.ip) === 6 ? 6 : 4;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  const body = Buffer.concat([
    bytesOf(source.ip, family),
    bytesOf(destination.ip, family),
    ports,
    record(RECORD.IDENTITY, identity),
    ...(hostname === undefined ? [] : [record(RECORD.HOST, hostname)]),
  ]);
  const head = Buffer.from([VERSION_AND_COMMAND, STREAM_OVER[family], body.length >> 8, body.length & 0xff]);
  return Buffer.concat([SIGNATURE, head, body]);
}

const MAPPED = Buffer.from("00000000000000000000ffff", "hex");

/** Both addresses of a header are of one family: where they differ, IPv4 is written as IPv6. */
function bytesOf(ip: Ip, family: 4 | 6): Uint8Array {
  const bytes = ipToBytes(ip);
  return family === 6 && bytes.length === 4 ? Buffer.concat([MAPPED, bytes]) : bytes;
}

function record(type: number, text: string): Buffer {
  const value = Buffer.from(text);
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
}
