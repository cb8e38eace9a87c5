// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import type { ConfigReader } from "@ambientmesh/core";
import { parseAuthority } from "../net/address.ts";
import type { ZtunnelConfig } from "./model.ts";

/** On unless the metadata says otherwise, as in Istio's ztunnel (1.31). */
export function readDnsProxy(
  reader: ConfigReader,
  metadata: Readonly<Record<string, string>>,
): ZtunnelConfig["dnsProxy"] {
  const { DNS_CAPTURE: capture = "true", DNS_PROXY_ADDR: address = `localhost:${PORTS.DNS}` } = metadata;
  if (capture.toLowerCase() !== "true") return undefined;
  const authority = parseAuthority(address);
  if (authority?.kind === "address") return authority.address;
  if (authority?.hostname === "localhost") return { ip: undefined, port: authority.port };
  reader.problem(`ISTIO_META_DNS_PROXY_ADDR="${address}" is neither localhost:PORT nor IP:PORT`);
  return undefined;
}
