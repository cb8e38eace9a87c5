// SPDX-License-Identifier: Apache-2.0
import { channel, type Channel } from "node:diagnostics_channel";
import type { MeshError } from "@ambientmesh/core";
import type { ConnectionStats } from "./connection/contract.ts";
import type { ConnectionInfo } from "./tunnel/tunnel-info.ts";

/** Message of `ambientmesh:hbone:connection:open`. */
export interface ConnectionOpened {
  readonly role: "client" | "server";
  readonly info: ConnectionInfo;
}

/** Message of `ambientmesh:hbone:connection:close`; no error when it was drained. */
export interface ConnectionEnded extends ConnectionOpened {
  readonly error: MeshError | undefined;
  readonly stats: ConnectionStats;
}

/** Message of `ambientmesh:hbone:connection:fail`: there never was an HTTP/2 connection. */
export interface ConnectionFailed {
  readonly role: "client" | "server";
  readonly error: MeshError;
}

/** Message of `ambientmesh:hbone:tunnel:answer`: a CONNECT was answered, or failed without an answer (status 0). */
export interface TunnelAnswered extends ConnectionOpened {
  readonly authority: string;
  readonly status: number;
}

/** A channel of `node:diagnostics_channel` that takes messages of one type. */
export class TypedChannel<Message> {
  readonly #channel: Channel;

  constructor(name: string) {
    this.#channel = channel(name);
  }

  /** Makes the message only if somebody listens. */
  publish(message: () => Message): void {
    if (this.#channel.hasSubscribers) this.#channel.publish(message());
  }
}

/** What this package publishes on; the README lists the names. */
export const channels: {
  readonly connectionOpen: TypedChannel<ConnectionOpened>;
  readonly connectionClose: TypedChannel<ConnectionEnded>;
  readonly connectionFail: TypedChannel<ConnectionFailed>;
  readonly tunnelAnswer: TypedChannel<TunnelAnswered>;
} = {
  connectionOpen: new TypedChannel("ambientmesh:hbone:connection:open"),
  connectionClose: new TypedChannel("ambientmesh:hbone:connection:close"),
  connectionFail: new TypedChannel("ambientmesh:hbone:connection:fail"),
  tunnelAnswer: new TypedChannel("ambientmesh:hbone:tunnel:answer"),
};
