// SPDX-License-Identifier: Apache-2.0
import { MARKS } from "@ambientmesh/api";
import type { ConfigReader } from "@ambientmesh/core";
import type { ZtunnelConfig } from "./model.ts";

type SocketSettings = Pick<
  ZtunnelConfig,
  "inpodUds" | "isPortReused" | "packetMark" | "originalSource" | "isIpv6Enabled" | "keepalive"
>;

/** How sockets are made in pods. */
export function readSockets(reader: ConfigReader, mode: ZtunnelConfig["mode"]): SocketSettings {
  const originalSource = reader.oneOf({
    name: "ENABLE_ORIG_SRC",
    default: undefined,
    values: ["true", "false"],
    description:
      "Whether the app sees the client's address: `true` makes it an error if that can't be done, `false` never does it; by default it is done where it works, and not in dedicated mode, which has no routing rules for it.",
  });
  // The answers to a foreign address only find back through rules that the CNI agent makes in pods.
  const unsaid = mode.kind === "shared" ? "auto" : "never";
  return {
    inpodUds: reader.string({
      name: "INPOD_UDS",
      default: "/var/run/ztunnel/ztunnel.sock",
      description: "Socket of the CNI node agent, which hands over pods.",
    }),
    isPortReused: reader.boolean({
      name: "INPOD_PORT_REUSE",
      default: true,
      description: "Whether two ztunnels may listen in one pod, as an upgrade needs.",
    }),
    packetMark: reader.integer({
      name: "PACKET_MARK",
      default: mode.kind === "shared" ? MARKS.PACKET : undefined,
      min: 1,
      max: 0xffff_ffff,
      description:
        "Mark on every socket in a pod; the redirection rules tell the proxy's packets by it. In dedicated mode on connections to next hops only, and only if it is set.",
    }),
    originalSource: originalSource === undefined ? unsaid : originalSource === "true" ? "required" : "never",
    isIpv6Enabled: reader.boolean({
      name: "IPV6_ENABLED",
      default: true,
      description: "Whether pods' listeners take IPv6 too.",
    }),
    keepalive: readKeepalive(reader),
  };
}

function readKeepalive(reader: ConfigReader): ZtunnelConfig["keepalive"] {
  return {
    isEnabled: reader.boolean({
      name: "KEEPALIVE_ENABLED",
      default: true,
      description: "TCP keepalive on connections from and to apps.",
    }),
    timeMs: reader.durationMs({
      name: "KEEPALIVE_TIME",
      default: 180_000,
      description: "Idle time before the first keepalive probe.",
    }),
    intervalMs: reader.durationMs({
      name: "KEEPALIVE_INTERVAL",
      default: 180_000,
      description: "Time between keepalive probes.",
    }),
    retries: reader.integer({
      name: "KEEPALIVE_RETRIES",
      default: 9,
      min: 1,
      max: 127,
      description: "Unanswered probes before a connection is given up.",
    }),
    isUserTimeoutEnabled: reader.boolean({
      name: "USER_TIMEOUT_ENABLED",
      default: false,
      description: "Also give up a connection whose sent data stays unacknowledged for as long.",
    }),
  };
}

type TunnelSettings = Pick<
  ZtunnelConfig,
  "poolMaxStreams" | "poolUnusedReleaseMs" | "windowSize" | "connectionWindowSize" | "frameSize"
>;

/** HTTP/2 knows twice as much; the rest is room for what every stream is granted at once. */
const MAX_WINDOW = 2 ** 30;

/** HTTP/2 between ztunnels; the defaults are those of Istio's ztunnel, so that neither side waits for the other. */
export function readTunnels(reader: ConfigReader): TunnelSettings {
  return {
    poolMaxStreams: reader.integer({
      name: "POOL_MAX_STREAMS_PER_CONNECTION",
      default: 100,
      min: 1,
      max: 1000,
      description: "Connections that share one tunnel at most; the peer may allow fewer.",
    }),
    poolUnusedReleaseMs: reader.durationMs({
      name: "POOL_UNUSED_RELEASE_TIMEOUT",
      default: 300_000,
      description: "How long a tunnel without connections is kept.",
    }),
    windowSize: reader.integer({
      name: "HTTP2_STREAM_WINDOW_SIZE",
      default: 4_194_304,
      min: 65_535,
      max: MAX_WINDOW,
      description: "Bytes that a peer may send ahead on one connection in a tunnel.",
    }),
    connectionWindowSize: reader.integer({
      name: "HTTP2_CONNECTION_WINDOW_SIZE",
      default: 16_777_216,
      min: 65_535,
      max: MAX_WINDOW,
      description:
        "Bytes that a peer may send ahead on one tunnel; four times the stream window, so that one stalled connection leaves room for others.",
    }),
    frameSize: reader.integer({
      name: "HTTP2_FRAME_SIZE",
      default: 1_048_576,
      min: 16_384,
      max: 16_777_215,
      description: "Largest frame accepted from a peer.",
    }),
  };
}

type BehaviourSettings = Pick<
  ZtunnelConfig,
  | "terminationDeadlineMs"
  | "isBaggageEnabled"
  | "isPolicyLoggedAsInfo"
  | "isLocalhostAppTunnel"
  | "preferredServiceNamespace"
  | "logFilter"
  | "logFormat"
>;

export function readBehaviour(reader: ConfigReader): BehaviourSettings {
  return {
    terminationDeadlineMs: readTerminationDeadline(reader),
    isBaggageEnabled: reader.boolean({
      name: "ENABLE_RESPONSE_BAGGAGE",
      default: true,
      description: "Whether tunnels tell each other the workload at their end, for metrics and logs.",
    }),
    isPolicyLoggedAsInfo: reader.boolean({
      name: "AUTHZ_POLICY_INFO_LOGGING",
      default: false,
      description: "Whether policy decisions are logged at info instead of debug.",
    }),
    isLocalhostAppTunnel: reader.boolean({
      name: "LOCALHOST_APP_TUNNEL",
      default: true,
      description: "Whether proxies that take PROXY protocol are reached on loopback.",
    }),
    preferredServiceNamespace: reader.string({
      name: "PREFERED_SERVICE_NAMESPACE",
      default: undefined,
      description: "Namespace whose services win where a name is in several; for DNS only.",
    }),
    logFilter: reader.string({
      name: "RUST_LOG",
      default: "info",
      description: "Log levels: one level, or a list of `scope=level`; the name is that of Istio's ztunnel.",
    }),
    logFormat: reader.oneOf({
      name: "LOG_FORMAT",
      default: "plain",
      values: ["plain", "json"],
      description: "Form of the log: text for people or one JSON object per line.",
    }),
  };
}

const DEFAULT_DEADLINE_MS = 5000;

/** Kubernetes kills at the end of the grace period, so connections are cut somewhat before. */
function readTerminationDeadline(reader: ConfigReader): number {
  const explicitMs = reader.durationMs({
    name: "CONNECTION_TERMINATION_DEADLINE",
    default: undefined,
    description:
      "How long open connections may go on after the proxy was asked to stop. Default: derived from TERMINATION_GRACE_PERIOD_SECONDS, else 5s.",
  });
  const graceSeconds = reader.integer({
    name: "TERMINATION_GRACE_PERIOD_SECONDS",
    default: undefined,
    min: 0,
    max: 604_800,
    description: "The pod's grace period; connections are cut 5 s before it ends (1 s if it is 10 s or less).",
  });
  if (explicitMs !== undefined) return explicitMs;
  if (graceSeconds === undefined) return DEFAULT_DEADLINE_MS;
  return Math.max(graceSeconds - (graceSeconds > 10 ? 5 : 1), 1) * 1000;
}
