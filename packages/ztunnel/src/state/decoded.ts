// SPDX-License-Identifier: Apache-2.0
import type {
  GatewayAddress as GatewayProto,
  NetworkAddress as NetworkAddressProto,
  Port,
} from "@ambientmesh/api/workload";
import { ipFromBytes } from "../net/address.ts";
import type { GatewayAddress, NetworkCidr, PortMap } from "./model.ts";

/** What became of a resource: a value, or the reason why the control plane is told that it is no good. */
export type Decoded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

/** Internal signal of the decoders: the resource can't be used, `message` says why. */
export class Undecodable extends Error {}

/** Runs a decoder whose parts throw {@link Undecodable}. */
export function decoded<T>(decode: () => T): Decoded<T> {
  try {
    return { ok: true, value: decode() };
  } catch (error) {
    if (error instanceof Undecodable) return { ok: false, reason: error.message };
    throw error;
  }
}

/** The name of an enum number in a table ordered by number. */
export function enumOf<T>(field: string, number: number, names: readonly (T | undefined)[]): T {
  const name = names[number];
  if (name === undefined) throw new Undecodable(`${field} ${number} is not known`);
  return name;
}

const MAX_PORT = 65_535;

export function portOf(field: string, port: number): number {
  if (port > MAX_PORT) throw new Undecodable(`${field} ${port} is not a port`);
  return port;
}

export function portMapOf(field: string, ports: readonly Port[]): PortMap {
  return new Map(
    ports.map((port) => [
      portOf(`${field}.servicePort`, port.servicePort),
      portOf(`${field}.targetPort`, port.targetPort),
    ]),
  );
}

/** An address, or a range if its length says so. */
export function networkAddressOf(field: string, proto: NetworkAddressProto): NetworkCidr {
  const ip = ipFromBytes(proto.address);
  if (ip === undefined) throw new Undecodable(`${field} has ${proto.address.length} bytes, not 4 or 16`);
  const bits = proto.address.length * 8;
  const length = proto.length ?? bits;
  if (length > bits) throw new Undecodable(`${field} has a prefix of ${length} bits, more than its ${bits}`);
  // A v4-mapped address is filed as IPv4, so its prefix counts from there.
  const isMapped = bits === 128 && !ip.includes(":");
  return { network: proto.network, ip, length: isMapped ? Math.max(length - 96, 0) : length };
}

export function gatewayOf(field: string, proto: GatewayProto): GatewayAddress {
  const { destination, hboneMtlsPort } = proto;
  const port = portOf(`${field}.hboneMtlsPort`, hboneMtlsPort);
  switch (destination.case) {
    case "hostname": {
      const { namespace, hostname } = destination.value;
      return { destination: { kind: "hostname", namespace, hostname }, hboneMtlsPort: port };
    }
    case "address": {
      const { network, ip } = networkAddressOf(`${field}.address`, destination.value);
      return { destination: { kind: "address", network, ip }, hboneMtlsPort: port };
    }
    default:
      throw new Undecodable(`${field} names no destination`);
  }
}

export function optionalGatewayOf(field: string, proto: GatewayProto | undefined): GatewayAddress | undefined {
  return proto === undefined ? undefined : gatewayOf(field, proto);
}
