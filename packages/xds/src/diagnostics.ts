// SPDX-License-Identifier: Apache-2.0
import { channel } from "node:diagnostics_channel";
import type { MeshError } from "@ambientmesh/core";
import type { ClientInfo } from "./cache/source.ts";
import type { Rejection } from "./client/resource-type.ts";
import type { Nack } from "./server/nonces.ts";

/** Messages on the `node:diagnostics_channel` channels of this package, by channel name. */
export interface XdsDiagnostics {
  /** A client was admitted. */
  "ambientmesh.xds.server.connected": { readonly client: ClientInfo };
  "ambientmesh.xds.server.disconnected": { readonly client: ClientInfo };
  /** A client rejected a response. */
  "ambientmesh.xds.server.nack": { readonly client: ClientInfo; readonly typeUrl: string; readonly nack: Nack };
  /** Our client rejected resources. */
  "ambientmesh.xds.client.rejected": { readonly typeUrl: string; readonly rejected: readonly Rejection[] };
  /** A stream of our client ended; without an error when the server ended it with OK. */
  "ambientmesh.xds.client.ended": { readonly error: MeshError | undefined };
}

/** Tells subscribers of a channel; free when there are none. */
export function publish<Name extends keyof XdsDiagnostics>(name: Name, message: XdsDiagnostics[Name]): void {
  const target = channel(name);
  if (target.hasSubscribers) target.publish(message);
}
