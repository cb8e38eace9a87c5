// SPDX-License-Identifier: Apache-2.0
import type { MeshError } from "@ambientmesh/core";
import { hboneErrors } from "../errors.ts";
import { H2Code, h2CodeName } from "../h2/constants.ts";

/** The peer reset a stream; REFUSED_STREAM means that it never looked at it (RFC 9113 section 8.7). */
export function peerResetError(peer: string, code: number): MeshError {
  const name = h2CodeName(code);
  const details = { peer, h2Code: name };
  if (code === H2Code.refusedStream) {
    return hboneErrors.create("HBONE_STREAM_UNPROCESSED", `${peer} refused the stream unprocessed`, {
      details,
      retryable: true,
    });
  }
  return hboneErrors.create("HBONE_STREAM_RESET", `${peer} reset the tunnel with ${name}`, { details });
}

/** A stream that the peer left unprocessed when it began to drain. */
export function goneAwayError(peer: string): MeshError {
  return hboneErrors.create("HBONE_STREAM_UNPROCESSED", `${peer} is going away and did not process the stream`, {
    details: { peer },
    retryable: true,
  });
}

/** The peer broke a rule of the protocol. */
export function protocolError(peer: string, code: number, message: string): MeshError {
  const h2Code = h2CodeName(code);
  return hboneErrors.create("HBONE_PROTOCOL_ERROR", `${peer}: ${message} (${h2Code})`, { details: { peer, h2Code } });
}

/** The connection ended under its streams. */
export function connectionClosedError(peer: string, cause?: unknown): MeshError {
  return hboneErrors.create("HBONE_CONNECTION_CLOSED", `the connection with ${peer} was closed`, {
    details: { peer },
    ...(cause !== undefined && { cause }),
  });
}
