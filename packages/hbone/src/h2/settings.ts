// SPDX-License-Identifier: Apache-2.0
import {
  DEFAULT_HEADER_TABLE,
  DEFAULT_MAX_FRAME,
  DEFAULT_WINDOW,
  H2Code,
  MAX_FRAME_CEILING,
  MAX_WINDOW,
  Setting,
} from "./constants.ts";
import { ConnectionFault } from "./connection-fault.ts";

/** What the peer has announced, starting from the protocol's defaults. */
export interface PeerSettings {
  headerTableSize: number;
  maxConcurrentStreams: number;
  initialWindow: number;
  maxFrame: number;
  maxHeaderList: number;
}

/** The settings in force before the peer's first SETTINGS frame (RFC 9113 section 6.5.2). */
export function defaultPeerSettings(): PeerSettings {
  return {
    headerTableSize: DEFAULT_HEADER_TABLE,
    maxConcurrentStreams: Infinity,
    initialWindow: DEFAULT_WINDOW,
    maxFrame: DEFAULT_MAX_FRAME,
    maxHeaderList: Infinity,
  };
}

/**
 * Applies the payload of a SETTINGS frame, entry after entry; unknown ids are ignored.
 * @throws ConnectionFault when a value is out of range.
 */
export function applySettings(settings: PeerSettings, payload: Buffer, isFromServer: boolean): void {
  for (let at = 0; at < payload.length; at += 6) {
    applyOne(settings, payload.readUInt16BE(at), payload.readUInt32BE(at + 2), isFromServer);
  }
}

function applyOne(settings: PeerSettings, id: number, value: number, isFromServer: boolean): void {
  switch (id) {
    case Setting.headerTableSize:
      settings.headerTableSize = value;
      return;
    case Setting.enablePush:
      if (value > (isFromServer ? 0 : 1)) throw rangeFault("ENABLE_PUSH", value);
      return;
    case Setting.maxConcurrentStreams:
      settings.maxConcurrentStreams = value;
      return;
    case Setting.initialWindowSize:
      if (value > MAX_WINDOW) throw rangeFault("INITIAL_WINDOW_SIZE", value, H2Code.flowControlError);
      settings.initialWindow = value;
      return;
    case Setting.maxFrameSize:
      if (value < DEFAULT_MAX_FRAME || value > MAX_FRAME_CEILING) throw rangeFault("MAX_FRAME_SIZE", value);
      settings.maxFrame = value;
      return;
    case Setting.maxHeaderListSize:
      settings.maxHeaderList = value;
      return;
    case Setting.enableConnectProtocol:
      if (value > 1) throw rangeFault("ENABLE_CONNECT_PROTOCOL", value);
      return;
    default:
  }
}

function rangeFault(name: string, value: number, code: number = H2Code.protocolError): ConnectionFault {
  return new ConnectionFault(code, `the peer's setting ${name} can't be ${value}`);
}
