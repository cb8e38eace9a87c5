// SPDX-License-Identifier: Apache-2.0
import { unsupported } from "../config/refusal.ts";
import { requestHeader } from "../http/head.ts";
import type { RequestRecord } from "./request-record.ts";

/** Makes a text from a record; undefined for what is not known. */
export type Operator = (record: RequestRecord) => string | undefined;

const COMMAND = /%([A-Z_]+)(?:\(([^)]*)\))?(?::(\d+))?%|%%|%/g;

/** The pieces of a format: fixed text and operators in turn. */
function compilePieces(format: string, path: string): readonly (string | Operator)[] {
  const pieces: (string | Operator)[] = [];
  let end = 0;
  for (const match of format.matchAll(COMMAND)) {
    pieces.push(format.slice(end, match.index));
    end = match.index + match[0].length;
    if (match[0] === "%%") pieces.push("%");
    else if (match[1] === undefined) throw unsupported(path, `has a % that belongs to no operator: ${format}`);
    else pieces.push(operatorOf(match[1], match[2], match[3], path));
  }
  pieces.push(format.slice(end));
  return pieces.filter((piece) => piece !== "");
}

/**
 * Compiles a format of Envoy (`%REQ(:path)% %RESPONSE_CODE%`). What is not known reads as `missing`.
 * @throws MeshError WAYPOINT_CONFIG_UNSUPPORTED for operators that are not implemented
 */
export function compileFormat(format: string, path: string, missing: string): (record: RequestRecord) => string {
  const pieces = compilePieces(format, path);
  const [only] = pieces;
  if (pieces.length <= 1 && typeof only !== "function") return () => only ?? "";
  return (record) => pieces.map((piece) => (typeof piece === "string" ? piece : (piece(record) ?? missing))).join("");
}

function operatorOf(name: string, argument: string | undefined, limit: string | undefined, path: string): Operator {
  const operator = withArgument(name, argument) ?? (argument === undefined ? PLAIN[name] : undefined);
  if (!operator) throw unsupported(path, `uses the operator %${name}%, which is not supported`);
  if (limit === undefined) return operator;
  return (record) => operator(record)?.slice(0, Number(limit));
}

function withArgument(name: string, argument: string | undefined): Operator | undefined {
  if (argument === undefined) return undefined;
  const [first = "", second] = argument.toLowerCase().split("?");
  if (name === "REQ") {
    return ({ request }) => requestHeader(request, first) ?? (second && requestHeader(request, second));
  }
  if (name === "RESP") {
    return ({ response }) => response?.headers.get(first) ?? (second && response?.headers.get(second));
  }
  return undefined;
}

const withPort = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

const PLAIN: Readonly<Record<string, Operator>> = {
  START_TIME: ({ startMs }) => new Date(startMs).toISOString(),
  PROTOCOL: ({ request }) => request.protocol,
  RESPONSE_CODE: ({ response }) => String(response?.status ?? 0),
  RESPONSE_CODE_DETAILS: ({ details }) => details || undefined,
  RESPONSE_FLAGS: ({ flags }) => (flags.size > 0 ? [...flags].join(",") : undefined),
  CONNECTION_TERMINATION_DETAILS: () => undefined,
  UPSTREAM_TRANSPORT_FAILURE_REASON: ({ upstreamFailure }) => upstreamFailure || undefined,
  BYTES_RECEIVED: ({ bytesReceived }) => String(bytesReceived),
  BYTES_SENT: ({ bytesSent }) => String(bytesSent),
  DURATION: ({ durationMs }) => String(Math.round(durationMs)),
  UPSTREAM_HOST: ({ upstreamHost }) => upstreamHost || undefined,
  UPSTREAM_CLUSTER: ({ cluster }) => cluster || undefined,
  UPSTREAM_CLUSTER_RAW: ({ cluster }) => cluster || undefined,
  UPSTREAM_LOCAL_ADDRESS: () => undefined,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: ({ attempts }) => String(attempts),
  DOWNSTREAM_LOCAL_ADDRESS: ({ connection: { localAddress, localPort } }) => withPort(localAddress, localPort),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: ({ connection }) => connection.localAddress,
  DOWNSTREAM_LOCAL_PORT: ({ connection }) => String(connection.localPort),
  DOWNSTREAM_REMOTE_ADDRESS: ({ connection, clientAddress }) =>
    withPort(clientAddress, clientPort(connection, clientAddress)),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: ({ clientAddress }) => clientAddress,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: ({ connection: { remoteAddress, remotePort } }) =>
    withPort(remoteAddress, remotePort),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: ({ connection }) => connection.remoteAddress,
  DOWNSTREAM_PEER_URI_SAN: ({ connection }) => connection.principals?.join(","),
  REQUESTED_SERVER_NAME: () => undefined,
  ROUTE_NAME: ({ routeName }) => routeName || undefined,
};

/** An address out of x-forwarded-for has no port. */
function clientPort({ remoteAddress, remotePort }: RequestRecord["connection"], clientAddress: string): number {
  return clientAddress === remoteAddress ? remotePort : 0;
}
