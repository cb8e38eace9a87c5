// SPDX-License-Identifier: Apache-2.0
import type { CidrRange } from "@ambientmesh/api/envoy/core";
import { BlockList, isIP } from "node:net";
import { invalid } from "../config/refusal.ts";

/** True for addresses in a range; addresses of the other family are in none. @throws MeshError WAYPOINT_CONFIG_INVALID */
export function compileIpRange({ addressPrefix, prefixLen }: CidrRange, path: string): (address: string) => boolean {
  const version = isIP(addressPrefix);
  if (version === 0) throw invalid(`${path}.address_prefix`, `is ${addressPrefix}, which is no IP address`);
  const length = prefixLen ?? 0;
  if (length > (version === 4 ? 32 : 128)) throw invalid(`${path}.prefix_len`, `is ${length}, which is too long`);
  const family = version === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(addressPrefix, length, family);
  return (address) => isIP(address) === version && list.check(address, family);
}
