// SPDX-License-Identifier: Apache-2.0
import { isIP, isIPv4 } from "node:net";
import { cniErrors } from "../errors.ts";

/** An address as Istio's agent reads it: Go's JSON of a net.IPNet, the mask in base64. */
export interface AgentIp {
  readonly Interface: number | null;
  readonly Address: { readonly IP: string; readonly Mask: string };
  readonly Gateway: string;
}

const MAX_ADDRESSES = 32;

/**
 * The addresses that the plugins before us have configured.
 * @throws MeshError CNI_PLUGIN_CONFIG_INVALID
 */
export function addressesOf(result: Readonly<Record<string, unknown>> | undefined): readonly AgentIp[] {
  const ips = result?.["ips"] ?? [];
  if (!Array.isArray(ips)) throw invalid("prevResult.ips is no list");
  return ips.slice(0, MAX_ADDRESSES).map((entry: Readonly<Record<string, unknown>> | null, index) => {
    const { address, interface: link, gateway } = entry ?? {};
    const [ip = "", prefix = ""] = typeof address === "string" ? address.split("/") : [];
    const bits = isIPv4(ip) ? 32 : 128;
    if (isIP(ip) === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > bits) {
      throw invalid(`prevResult.ips[${index}].address is no address with a prefix length`);
    }
    return {
      Interface: typeof link === "number" ? link : null,
      Address: { IP: ip, Mask: maskOf(Number(prefix), bits) },
      Gateway: typeof gateway === "string" ? gateway : "",
    };
  });
}

function maskOf(prefix: number, bits: number): string {
  const mask = Buffer.alloc(bits / 8, 0xff);
  for (const [index] of mask.entries()) {
    const kept = Math.min(Math.max(prefix - index * 8, 0), 8);
    mask[index] = (0xff << (8 - kept)) & 0xff;
  }
  return mask.toString("base64");
}

function invalid(problem: string): Error {
  return cniErrors.create("CNI_PLUGIN_CONFIG_INVALID", problem);
}
