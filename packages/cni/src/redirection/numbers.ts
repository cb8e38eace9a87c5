// SPDX-License-Identifier: Apache-2.0
import { MARKS } from "@ambientmesh/api";

/** Numbers of the redirection contract as rules are written with (Istio 1.31, ztunnel's in-pod mode). */
const hex = (value: number): string => `0x${value.toString(16)}`;

export const PACKET_MARK: string = hex(MARKS.PACKET);
export const CONNECTION_MARK: string = hex(MARKS.CONNECTION);
export const MARK_MASK: string = hex(MARKS.MASK);
/** The bits of a connection mark that belong to others. */
export const FOREIGN_MARK_BITS: string = hex((~MARKS.MASK & 0xffff_ffff) >>> 0);
/** Connection tracking zone of the proxy's own DNS questions, whose ports may collide with those of the pod. */
export const DNS_ZONE = 1;
export const DNS_PORT = 53;
/** Policy routing that brings the app's answers to a foreign address back to the proxy. */
export const ROUTING = { TABLE: 100, RULE_PRIORITY: 32_764 } as const;
