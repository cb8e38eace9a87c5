// SPDX-License-Identifier: Apache-2.0
import type { SocketAddress } from "../net/address.ts";
import type { Reason } from "../reasons.ts";
import type { Party } from "./party.ts";

export type Direction = "inbound" | "outbound";

/** How far a connection got; each is noted once, in the order things happened. */
export type Phase =
  /** The local workload is known. */
  | "source-known"
  /** It is decided where the connection goes. */
  | "decided"
  /** Policies allow it. */
  | "allowed"
  /** The next hop answered. */
  | "connected";

/** The service that was meant, as far as metrics and logs name it. */
interface MeantService {
  readonly hostname: string;
  readonly namespace: string;
  readonly name: string;
}

/** What becomes known of a connection on its way. */
export interface ConnectionDetails {
  /** Where it goes: the TCP destination, with port 15008 for tunnels. */
  readonly dst: SocketAddress;
  /** Authority of the CONNECT request. */
  readonly hboneAuthority?: string | undefined;
  readonly protocol: "TCP" | "HBONE" | "DOUBLEHBONE";
  readonly source?: Party | undefined;
  readonly destination?: Party | undefined;
  /** Proved by mutual TLS, for metrics; of the own side as well. */
  readonly sourceIdentity?: string | undefined;
  readonly destinationIdentity?: string | undefined;
  readonly service?: MeantService | undefined;
  readonly isMutualTls: boolean;
  /** Inbound: the host that the client says it meant. */
  readonly forwardedHost?: string | undefined;
  /** What decided where it goes, for people: `service-waypoint`, `policy ns/name`. */
  readonly rule?: string | undefined;
  readonly traceId?: string | undefined;
}

export type Side = "client" | "server" | "proxy";

/** How a connection ended. */
export interface ConnectionEnd {
  readonly reason: Reason;
  /** Free text for the log; none if all went well. */
  readonly error?: string | undefined;
  /** Who ended it; "client" is the side that opened it. */
  readonly endedBy?: Side | undefined;
}

/** The story of one connection so far: logs, metrics, dumps and tools all read it. */
export interface ConnectionRecord {
  readonly id: number;
  readonly direction: Direction;
  readonly src: SocketAddress;
  /** Where the client wanted to go. */
  readonly wanted: SocketAddress;
  readonly startedAtMs: number;
  readonly details: ConnectionDetails;
  /** Milliseconds since the start, by phase. */
  readonly phases: ReadonlyMap<Phase, number>;
  /** Bytes from the client to the server, and back. */
  readonly clientBytes: number;
  readonly serverBytes: number;
  readonly end: ConnectionEnd | undefined;
}
