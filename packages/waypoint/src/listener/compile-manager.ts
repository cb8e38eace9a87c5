// SPDX-License-Identifier: Apache-2.0
import type { Http2ProtocolOptions, HttpProtocolOptions } from "@ambientmesh/api/envoy/core";
import { HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores } from "@ambientmesh/api/envoy/core";
import { httpConnectionManager as proto } from "@ambientmesh/api/envoy/network-filters";
import { limitMs } from "../config/durations.ts";
import { invalid, unsupported } from "../config/refusal.ts";
import { compileFilters, type FilterDeps } from "../filters/compile-filters.ts";
import type { ManagerConfig } from "../http/connection-manager.ts";
import type { ResponseManners } from "../http/exchange.ts";
import type { EscapedSlashes } from "../http/normalize-path.ts";
import type { RequestManners } from "../http/prepare-request.ts";
import { compileRouteTable, type RouteTable } from "../route/route-table.ts";
import { compileAccessLog, type LineSink } from "../telemetry/access-log.ts";

type Hcm = proto.HttpConnectionManager;

/** What is compiled against. */
export interface ManagerContext extends FilterDeps {
  readonly routes: (name: string) => RouteTable | undefined;
  readonly accessLog: LineSink;
  readonly bufferLimit: number;
}

const {
  HttpConnectionManager_CodecType: Codec,
  HttpConnectionManager_PathWithEscapedSlashesAction: Slashes,
  HttpConnectionManager_ServerHeaderTransformation: ServerHeader,
} = proto;
const DEFAULT_STREAM_IDLE_MS = 300_000;
const DEFAULT_IDLE_MS = 3_600_000;
const DEFAULT_HEADERS_KB = 60;
const DEFAULT_HEADERS = 100;
const DEFAULT_STREAMS = 1024;
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 16 * 1024 * 1024;

/** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileManager(
  hcm: Hcm,
  context: ManagerContext,
  path: string,
): ManagerConfig & { readonly routeName: string | undefined } {
  // A proxy at the edge has to remove headers that only the mesh may set; a waypoint is not at the edge.
  if (hcm.useRemoteAddress) throw unsupported(`${path}.use_remote_address`, "has to be false: this is no edge proxy");
  const { filters, suppressEnvoyHeaders } = compileFilters(hcm.httpFilters, context, `${path}.http_filters`);
  const common = hcm.commonHttpProtocolOptions;
  return {
    ...compileRoutes(hcm, context, path),
    codec: codecOf(hcm, path),
    filters,
    request: requestManners(hcm, common),
    response: responseManners(hcm),
    http2: http2Options(hcm.http2ProtocolOptions),
    idleTimeoutMs: limitMs(common?.idleTimeout, DEFAULT_IDLE_MS),
    accessLogs: hcm.accessLog.map((log, index) =>
      compileAccessLog(log, context.accessLog, `${path}.access_log[${index}]`),
    ),
    router: {
      suppressEnvoyHeaders,
      bufferLimit: context.bufferLimit,
      streamIdleTimeoutMs: limitMs(hcm.streamIdleTimeout, DEFAULT_STREAM_IDLE_MS),
      upgrades: new Map(
        hcm.upgradeConfigs.map(({ upgradeType, enabled }) => [upgradeType.toLowerCase(), enabled ?? true]),
      ),
    },
  };
}

function compileRoutes(
  { routeSpecifier }: Hcm,
  context: ManagerContext,
  path: string,
): { readonly routes: () => RouteTable | undefined; readonly routeName: string | undefined } {
  if (routeSpecifier.case === "routeConfig") {
    const table = compileRouteTable(routeSpecifier.value, `${path}.route_config`);
    return { routes: () => table, routeName: undefined };
  }
  if (routeSpecifier.case !== "rds") throw unsupported(path, "has neither route_config nor rds");
  const name = routeSpecifier.value.routeConfigName;
  if (name === "") throw invalid(`${path}.rds.route_config_name`, "is empty");
  return { routes: () => context.routes(name), routeName: name };
}

function codecOf({ codecType }: Hcm, path: string): ManagerConfig["codec"] {
  switch (codecType) {
    case Codec.AUTO:
      return "auto";
    case Codec.HTTP1:
      return "http1";
    case Codec.HTTP2:
      return "http2";
    default:
      throw unsupported(`${path}.codec_type`, `${codecType} is not supported`);
  }
}

function requestManners(hcm: Hcm, common: HttpProtocolOptions | undefined): RequestManners {
  return {
    path: {
      isNormalized: hcm.normalizePath ?? false,
      mergesSlashes: hcm.mergeSlashes,
      escapedSlashes: escapedSlashes(hcm),
    },
    maxHeaders: common?.maxHeadersCount ?? DEFAULT_HEADERS,
    maxHeaderOctets: (hcm.maxRequestHeadersKb ?? DEFAULT_HEADERS_KB) * 1024,
    underscores: underscoresOf(common),
    trustedHops: hcm.xffNumTrustedHops,
    generatesRequestId: hcm.generateRequestId ?? true,
    stripPort: hcm.stripPortMode.value ? "any" : hcm.stripMatchingHostPort ? "matching" : "no",
    stripsTrailingDot: hcm.stripTrailingHostDot,
  };
}

function underscoresOf(common: HttpProtocolOptions | undefined): RequestManners["underscores"] {
  switch (common?.headersWithUnderscoresAction) {
    case Underscores.REJECT_REQUEST:
      return "reject";
    case Underscores.DROP_HEADER:
      return "drop";
    default:
      return "allow";
  }
}

function escapedSlashes({ pathWithEscapedSlashesAction: action }: Hcm): EscapedSlashes {
  switch (action) {
    case Slashes.REJECT_REQUEST:
      return "reject";
    case Slashes.UNESCAPE_AND_REDIRECT:
      return "unescape-and-redirect";
    case Slashes.UNESCAPE_AND_FORWARD:
      return "unescape-and-forward";
    default:
      return "keep";
  }
}

function responseManners(hcm: Hcm): ResponseManners {
  const { serverHeaderTransformation: transformation, alwaysSetRequestIdInResponse: setsRequestId } = hcm;
  const name = hcm.serverName === "" ? "envoy" : hcm.serverName;
  return {
    serverName: transformation === ServerHeader.PASS_THROUGH ? undefined : name,
    isServerNameFallback: transformation === ServerHeader.APPEND_IF_ABSENT,
    setsRequestId,
  };
}

function http2Options(options: Http2ProtocolOptions | undefined): ManagerConfig["http2"] {
  return {
    maxConcurrentStreams: options?.maxConcurrentStreams ?? DEFAULT_STREAMS,
    streamWindow: options?.initialStreamWindowSize ?? STREAM_WINDOW,
    connectionWindow: options?.initialConnectionWindowSize ?? CONNECTION_WINDOW,
  };
}
