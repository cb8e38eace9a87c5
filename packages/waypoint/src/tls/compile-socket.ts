// SPDX-License-Identifier: Apache-2.0
import { connect as connectTls } from "node:tls";
import { once } from "node:events";
import type { TransportSocket } from "@ambientmesh/api/envoy/core";
import { DownstreamTlsContextSchema, UpstreamTlsContextSchema } from "@ambientmesh/api/envoy/transport-sockets";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { Dial } from "../cluster/dial.ts";
import { invalid, unsupported } from "../config/refusal.ts";
import type { TlsAcceptorSettings } from "./accept.ts";
import { compileTls } from "./context.ts";

/** TLS of a listener; undefined for plain text. @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileDownstreamSocket(
  socket: TransportSocket | undefined,
  path: string,
): TlsAcceptorSettings | undefined {
  if (!socket) return undefined;
  const context = socket.configType.value && anyUnpack(socket.configType.value, DownstreamTlsContextSchema);
  if (!context) throw unsupported(`${path}.typed_config`, "is no DownstreamTlsContext");
  const at = `${path}.typed_config.common_tls_context`;
  const settings = compileTls(context.commonTlsContext, at);
  if (settings.material.cert === undefined) throw invalid(`${at}.tls_certificates`, "is empty");
  return { ...settings, requiresClientCertificate: context.requireClientCertificate ?? false };
}

/** Puts TLS on top of the connections to a cluster; undefined for plain text. @throws as {@link compileDownstreamSocket} */
export function compileUpstreamSocket(
  socket: TransportSocket | undefined,
  path: string,
): ((dial: Dial) => Dial) | undefined {
  if (!socket) return undefined;
  const context = socket.configType.value && anyUnpack(socket.configType.value, UpstreamTlsContextSchema);
  if (!context) throw unsupported(`${path}.typed_config`, "is no UpstreamTlsContext");
  const { material, verifiesPeer, acceptsPeer, alpnProtocols } = compileTls(
    context.commonTlsContext,
    `${path}.typed_config.common_tls_context`,
  );
  return (dial) => async (host, signal) => {
    const raw = await dial(host, signal);
    const secured = connectTls({
      ...material,
      socket: raw,
      // Without an SNI none is sent, and names are checked by the matchers, as in Envoy.
      servername: context.sni,
      checkServerIdentity: () => undefined,
      rejectUnauthorized: verifiesPeer,
      ...(alpnProtocols.length > 0 && { ALPNProtocols: [...alpnProtocols] }),
    });
    const giveUp = (): void => void secured.destroy(new Error("the attempt was given up", { cause: signal.reason }));
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await once(secured, "secureConnect");
      if (verifiesPeer && !acceptsPeer(secured)) throw new Error("TLS_error: verify SAN list");
      return secured;
    } catch (error) {
      secured.destroy();
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  };
}
