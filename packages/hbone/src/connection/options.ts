// SPDX-License-Identifier: Apache-2.0
import { hboneErrors } from "../errors.ts";
import { DEFAULT_MAX_FRAME, DEFAULT_WINDOW, MAX_FRAME_CEILING, MAX_WINDOW } from "../h2/constants.ts";

const KIB = 1024;
const MIB = 1024 * 1024;

/** Limits and times of one HTTP/2 connection; sizes in octets. */
export interface ConnectionOptions {
  /** Streams at a time. Client: the smaller of this and the peer's limit. Default 100 (client), 200 (server). */
  readonly maxStreams?: number;
  /** Receive window each stream starts with, guaranteed to every stream. Default 256 KiB. */
  readonly initialWindow?: number;
  /** Receive window a stream grows to while its reader keeps up. Default 4 MiB. */
  readonly maxWindow?: number;
  /** What all streams of a connection may grow by together. Default 16 MiB. */
  readonly windowGrowth?: number;
  /** Largest frame the peer may send. Default 1 MiB. */
  readonly maxFrame?: number;
  /** Largest decoded header list, by RFC 9113 section 6.5.2. Default 16 KiB (client), 64 KiB (server). */
  readonly maxHeaderList?: number;
  /** Silence after which the peer is pinged, in ms; 0: never. Default 10,000. */
  readonly pingIntervalMs?: number;
  /** How long a pinged peer may stay silent before the connection counts as lost, in ms. Default 20,000. */
  readonly pingTimeoutMs?: number;
  /** How long the peer may take for its preface and to acknowledge our settings, in ms. Default 10,000. */
  readonly settingsTimeoutMs?: number;
}

/** {@link ConnectionOptions} with everything filled in. */
export type ConnectionLimits = Required<ConnectionOptions>;

/** Defaults as ztunnel has them, apart from the windows, which start smaller and grow (see `Inflow`). */
const DEFAULTS = {
  initialWindow: 256 * KIB,
  maxWindow: 4 * MIB,
  windowGrowth: 16 * MIB,
  maxFrame: MIB,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 20_000,
  settingsTimeoutMs: 10_000,
} as const;

/**
 * Fills in defaults.
 * @throws MeshError HBONE_OPTIONS_INVALID when an option is out of its range.
 */
export function connectionLimits(role: "client" | "server", options: ConnectionOptions = {}): ConnectionLimits {
  const byRole =
    role === "client" ? { maxStreams: 100, maxHeaderList: 16 * KIB } : { maxStreams: 200, maxHeaderList: 64 * KIB };
  const limits: ConnectionLimits = { ...DEFAULTS, ...byRole, ...options };
  check("maxStreams", limits.maxStreams, 1, 10_000);
  // Less than the protocol's default would be exceeded by a peer that has not seen our settings yet.
  check("initialWindow", limits.initialWindow, DEFAULT_WINDOW, MAX_WINDOW);
  check("maxWindow", limits.maxWindow, limits.initialWindow, MAX_WINDOW);
  check("windowGrowth", limits.windowGrowth, 0, MAX_WINDOW);
  check("maxFrame", limits.maxFrame, DEFAULT_MAX_FRAME, MAX_FRAME_CEILING);
  check("maxHeaderList", limits.maxHeaderList, 256, 16 * MIB);
  check("pingIntervalMs", limits.pingIntervalMs, 0, MAX_WINDOW);
  check("pingTimeoutMs", limits.pingTimeoutMs, 1, MAX_WINDOW);
  check("settingsTimeoutMs", limits.settingsTimeoutMs, 1, MAX_WINDOW);
  const reserved = limits.maxStreams * limits.initialWindow + limits.windowGrowth + MIB;
  check("maxStreams * initialWindow + windowGrowth + 1 MiB", reserved, 0, MAX_WINDOW);
  return limits;
}

function check(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw hboneErrors.create(
    "HBONE_OPTIONS_INVALID",
    `${name} is ${value} but must be a whole number from ${min} to ${max}`,
  );
}
