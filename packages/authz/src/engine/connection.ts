// SPDX-License-Identifier: Apache-2.0
import { authzErrors } from "../errors.ts";
import type { KeyedFacts } from "../expression/keys.ts";
import { checkPort } from "../values/port.ts";
import { parseIp, type IpAddress } from "../values/ip.ts";

/** Who the peer proved to be: the parts of `spiffe://<trustDomain>/ns/<namespace>/sa/<serviceAccount>`. */
export interface PeerIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** A connection as the data plane sees it. */
export interface Connection {
  readonly sourceIp: string;
  /** The address of the workload. */
  readonly destinationIp: string;
  /** The port of the workload, after all mapping. */
  readonly destinationPort: number;
  /** Absent for a client that did not authenticate itself by mTLS. */
  readonly identity?: PeerIdentity | undefined;
}

/**
 * What expressions may ask of a connection; made once per connection. Requests will extend it with method, path, host,
 * headers and token claims, and run through the same engine.
 */
export interface ConnectionFacts extends KeyedFacts {
  readonly sourceIp: IpAddress;
  readonly destinationIp: IpAddress;
  readonly destinationPort: number;
  /** The SPIFFE id without its scheme. */
  readonly principal: string | undefined;
  /** "" without identity. */
  readonly sourceNamespace: string;
  readonly identity: PeerIdentity | undefined;
}

/**
 * What policies look at, made of a connection once.
 * @throws MeshError AUTHZ_CONNECTION_INVALID
 */
export function connectionFacts(connection: Connection): ConnectionFacts {
  const { identity, destinationPort } = connection;
  const port = checkPort(destinationPort);
  if (!port.ok) throw invalid("destinationPort", port.message, connection);
  const principal = identity && principalOf(identity);
  return {
    keys: identity === undefined || principal === undefined ? NO_KEYS : keysOf(identity, principal),
    sourceIp: ipOf(connection, "sourceIp"),
    destinationIp: ipOf(connection, "destinationIp"),
    destinationPort,
    principal,
    sourceNamespace: identity?.namespace ?? "",
    identity,
  };
}

const NO_KEYS: readonly string[] = [];

/** The key of one value of an attribute of the client's identity. */
export function keyOf(attribute: "principal" | "namespace" | "service account", value: string): string {
  return `${attribute}:${value}`;
}

function keysOf(identity: PeerIdentity, principal: string): readonly string[] {
  return [
    keyOf("principal", principal),
    keyOf("service account", `${identity.namespace}/${identity.serviceAccount}`),
    keyOf("namespace", identity.namespace),
  ];
}

function principalOf({ trustDomain, namespace, serviceAccount }: PeerIdentity): string {
  return `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

function ipOf(connection: Connection, field: "sourceIp" | "destinationIp"): IpAddress {
  const ip = parseIp(connection[field]);
  if (!ip.ok) throw invalid(field, ip.message, connection);
  return ip.value;
}

function invalid(field: string, message: string, connection: Connection): Error {
  return authzErrors.create("AUTHZ_CONNECTION_INVALID", `the connection's ${field} is wrong: ${message}`, {
    details: { field, connection },
  });
}
