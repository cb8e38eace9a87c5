// SPDX-License-Identifier: Apache-2.0

/** Frame types of RFC 9113 section 6. */
export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Frame flags of RFC 9113 section 6; END_STREAM and ACK share a bit. */
export const Flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

/** Settings of RFC 9113 section 6.5.2 and RFC 8441 section 3. */
export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
} as const;

/** Error codes of RFC 9113 section 7. */
export const H2Code = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

const names = new Map<number, string>(
  Object.entries(H2Code).map(([name, code]) => [code, name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()]),
);

/** "FLOW_CONTROL_ERROR" for 3; unknown codes are shown as numbers. */
export function h2CodeName(code: number): string {
  return names.get(code) ?? `0x${code.toString(16)}`;
}

/** What a client sends first (RFC 9113 section 3.4). */
export const PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export const FRAME_HEADER_BYTES = 9;
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW: number = 2 ** 31 - 1;
export const DEFAULT_MAX_FRAME = 16_384;
export const MAX_FRAME_CEILING: number = 2 ** 24 - 1;
export const MAX_STREAM_ID: number = 2 ** 31 - 1;
export const DEFAULT_HEADER_TABLE = 4096;
