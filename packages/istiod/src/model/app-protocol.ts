// SPDX-License-Identifier: Apache-2.0
import type { ServicePort } from "@ambientmesh/api/kubernetes";
import { AppProtocol } from "@ambientmesh/api/workload";

const BY_NAME: ReadonlyMap<string, AppProtocol> = new Map([
  ["http", AppProtocol.HTTP11],
  ["http2", AppProtocol.HTTP2],
  ["grpc", AppProtocol.GRPC],
  ["tls", AppProtocol.TLS],
  ["https", AppProtocol.TLS],
  ["tcp", AppProtocol.TCP],
]);

/** Names that are known to mean nothing that the workload API can say, so that the port number is not asked. */
const KNOWN_OTHERS: ReadonlySet<string> = new Set(["grpc-web", "udp", "mongo", "redis", "mysql"]);

const KUBERNETES: ReadonlyMap<string, AppProtocol> = new Map([
  ["kubernetes.io/h2c", AppProtocol.HTTP2],
  ["kubernetes.io/ws", AppProtocol.HTTP11],
  ["kubernetes.io/wss", AppProtocol.TLS],
]);

/** SMTP, DNS, MySQL and MongoDB: the server may speak first, so nobody may wait for the client's bytes. */
const SERVER_FIRST_PORTS: ReadonlySet<number> = new Set([25, 53, 3306, 27_017]);

/** What a service port says it speaks: `appProtocol`, else the name up to its first dash, else a few known ports. */
export function appProtocolOf({ name, port, protocol = "TCP", appProtocol }: ServicePort): AppProtocol {
  if (protocol === "UDP") return AppProtocol.UNKNOWN;
  const declared = (appProtocol ?? name ?? "").toLowerCase();
  const fromKubernetes = KUBERNETES.get(declared);
  if (fromKubernetes !== undefined) return fromKubernetes;
  const word = declared.startsWith("grpc-web") ? "grpc-web" : declared.replace(/-.*$/, "");
  if (KNOWN_OTHERS.has(word)) return AppProtocol.UNKNOWN;
  return BY_NAME.get(word) ?? (SERVER_FIRST_PORTS.has(port) ? AppProtocol.TCP : AppProtocol.UNKNOWN);
}
