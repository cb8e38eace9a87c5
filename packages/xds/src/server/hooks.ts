// SPDX-License-Identifier: Apache-2.0
import type { Node } from "@ambientmesh/api/discovery";
import type { CallInfo } from "./server-stream.ts";

/** Who called, or why that is not known. The reason is logged; the client is told nothing. */
export type Authentication<Identity> =
  | { readonly outcome: "authenticated"; readonly identity: Identity }
  | { readonly outcome: "refused"; readonly reason: string };

/** Finds out who calls, from the client certificate or the metadata; once per stream. */
export type Authenticate<Identity> = (
  call: CallInfo,
  signal: AbortSignal,
) => Promise<Authentication<Identity>> | Authentication<Identity>;

/** Whether a caller may be the node it says it is. The reason is sent to the client. */
export type Authorization = { readonly outcome: "allowed" } | { readonly outcome: "denied"; readonly reason: string };

/** Compares the identity with the node of the first request; once per stream. */
export type Authorize<Identity> = (
  client: { readonly node: Node; readonly identity: Identity; readonly peerAddress: string },
  signal: AbortSignal,
) => Promise<Authorization> | Authorization;
