// SPDX-License-Identifier: Apache-2.0

/*
 * The address plan of a test network. Node i (from 1): 172.172.0.(i+1) and fd00:172::(i+1) on the wire between nodes; pod j
 * (from 1) of node i: 10.0.i.(j+1) and fd00:10:0:i::(j+1), with the node as gateway at .1 and ::1.
 */

/** Nodes of a network, and pods of a node. */
export const MAX_PER_LEVEL = 250;

/** The addresses of something in both IP versions, without prefix length. */
export interface DualStack {
  readonly v4: string;
  readonly v6: string;
}

export const WIRE_PREFIX_LENGTHS = { v4: 16, v6: 64 } as const;
export const POD_PREFIX_LENGTHS = { v4: 24, v6: 64 } as const;

export function nodeAddresses(node: number): DualStack {
  return { v4: `172.172.0.${node + 1}`, v6: `fd00:172::${(node + 1).toString(16)}` };
}

export function gatewayAddresses(node: number): DualStack {
  return { v4: `10.0.${node}.1`, v6: `fd00:10:0:${node.toString(16)}::1` };
}

export function podAddresses(node: number, pod: number): DualStack {
  return { v4: `10.0.${node}.${pod + 1}`, v6: `fd00:10:0:${node.toString(16)}::${(pod + 1).toString(16)}` };
}

/** The prefixes of all pods of a node. */
export function podPrefixes(node: number): DualStack {
  return { v4: `10.0.${node}.0/24`, v6: `fd00:10:0:${node.toString(16)}::/64` };
}
