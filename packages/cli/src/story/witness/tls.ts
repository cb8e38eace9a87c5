// SPDX-License-Identifier: Apache-2.0

const HANDSHAKE = 0x16;
const SERVER_HELLO = 2;
const SUPPORTED_VERSIONS = 43;

/** True if the bytes begin with a TLS record of a handshake (RFC 8446, 5.1). */
export function beginsWithHandshake(payload: Buffer): boolean {
  return payload.length >= 5 && payload[0] === HANDSHAKE && payload[1] === 0x03;
}

/**
 * The version a ServerHello chose in its supported_versions extension (RFC 8446, 4.2.1): 0x0304 for TLS 1.3.
 * Undefined when the bytes are no ServerHello, or one of TLS 1.2 and older.
 */
export function serverHelloVersion(payload: Buffer): number | undefined {
  if (!beginsWithHandshake(payload) || payload[5] !== SERVER_HELLO) return undefined;
  try {
    // record 5, handshake header 4, legacy version 2, random 32
    const sessionIdBytes = payload.readUInt8(43);
    const extensionsAt = 44 + sessionIdBytes + 3;
    const end = extensionsAt + 2 + payload.readUInt16BE(extensionsAt);
    for (let at = extensionsAt + 2; at + 4 <= end; at += 4 + payload.readUInt16BE(at + 2)) {
      if (payload.readUInt16BE(at) === SUPPORTED_VERSIONS) return payload.readUInt16BE(at + 4);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // Cut short: whatever it is, it shows no version.
  }
  return undefined;
}
