// SPDX-License-Identifier: Apache-2.0
import type { Condition, KubernetesObject } from "../kubernetes/meta.ts";

/** One of the three. */
export interface StringMatch {
  readonly exact?: string;
  readonly prefix?: string;
  /** RE2. */
  readonly regex?: string;
}

export interface RouteDestinationReference {
  readonly host: string;
  readonly subset?: string;
  readonly port?: { readonly number?: number };
}

export interface HeaderOperations {
  readonly set?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
}

export interface Headers {
  readonly request?: HeaderOperations;
  readonly response?: HeaderOperations;
}

export interface Percent {
  readonly value?: number;
}

export interface HttpMatchRequest {
  readonly name?: string;
  readonly uri?: StringMatch;
  readonly scheme?: StringMatch;
  readonly method?: StringMatch;
  readonly authority?: StringMatch;
  readonly headers?: Readonly<Record<string, StringMatch>>;
  readonly withoutHeaders?: Readonly<Record<string, StringMatch>>;
  readonly queryParams?: Readonly<Record<string, StringMatch>>;
  readonly ignoreUriCase?: boolean;
  readonly port?: number;
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly sourceNamespace?: string;
  readonly gateways?: readonly string[];
  readonly statPrefix?: string;
}

export interface HttpRouteDestination {
  readonly destination: RouteDestinationReference;
  readonly weight?: number;
  readonly headers?: Headers;
}

export interface HttpRedirect {
  readonly uri?: string;
  readonly authority?: string;
  readonly port?: number;
  readonly derivePort?: "FROM_PROTOCOL_DEFAULT" | "FROM_REQUEST_PORT";
  readonly scheme?: string;
  readonly redirectCode?: number;
  readonly prefixRewrite?: string;
}

export interface HttpDirectResponse {
  readonly status: number;
  readonly body?: { readonly string?: string; readonly bytes?: string };
}

export interface HttpRewrite {
  readonly uri?: string;
  readonly authority?: string;
  readonly uriRegexRewrite?: { readonly match?: string; readonly rewrite?: string };
}

export interface HttpRetry {
  readonly attempts?: number;
  readonly perTryTimeout?: string;
  readonly retryOn?: string;
  readonly retryRemoteLocalities?: boolean;
  readonly retryIgnorePreviousHosts?: boolean;
  readonly backoff?: string;
}

export interface HttpFault {
  readonly delay?: {
    readonly percent?: number;
    readonly percentage?: Percent;
    readonly fixedDelay?: string;
    readonly exponentialDelay?: string;
  };
  readonly abort?: {
    readonly percentage?: Percent;
    readonly httpStatus?: number;
    readonly grpcStatus?: string;
    readonly http2Error?: string;
  };
}

export interface CorsPolicy {
  readonly allowOrigin?: readonly string[];
  readonly allowOrigins?: readonly StringMatch[];
  readonly allowMethods?: readonly string[];
  readonly allowHeaders?: readonly string[];
  readonly exposeHeaders?: readonly string[];
  readonly maxAge?: string;
  readonly allowCredentials?: boolean;
  readonly unmatchedPreflights?: "UNSPECIFIED" | "FORWARD" | "IGNORE";
}

export interface HttpRoute {
  readonly name?: string;
  readonly match?: readonly HttpMatchRequest[];
  readonly route?: readonly HttpRouteDestination[];
  readonly redirect?: HttpRedirect;
  readonly directResponse?: HttpDirectResponse;
  readonly delegate?: { readonly name?: string; readonly namespace?: string };
  readonly rewrite?: HttpRewrite;
  readonly timeout?: string;
  readonly retries?: HttpRetry;
  readonly fault?: HttpFault;
  readonly mirror?: RouteDestinationReference;
  readonly mirrors?: readonly { readonly destination: RouteDestinationReference; readonly percentage?: Percent }[];
  readonly mirrorPercent?: number;
  /** The older spelling of `mirrorPercent`. */
  readonly mirror_percent?: number;
  readonly mirrorPercentage?: Percent;
  readonly corsPolicy?: CorsPolicy;
  readonly headers?: Headers;
}

/** Where a TCP or TLS connection goes. */
export interface ConnectionDestination {
  readonly destination: RouteDestinationReference;
  readonly weight?: number;
}

export interface TlsMatch {
  readonly sniHosts: readonly string[];
  readonly destinationSubnets?: readonly string[];
  readonly port?: number;
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly gateways?: readonly string[];
  readonly sourceNamespace?: string;
}

export interface TlsRoute {
  readonly match: readonly TlsMatch[];
  readonly route?: readonly ConnectionDestination[];
}

export interface TcpMatch {
  readonly destinationSubnets?: readonly string[];
  readonly port?: number;
  readonly sourceSubnet?: string;
  readonly sourceLabels?: Readonly<Record<string, string>>;
  readonly gateways?: readonly string[];
  readonly sourceNamespace?: string;
}

export interface TcpRoute {
  readonly match?: readonly TcpMatch[];
  readonly route?: readonly ConnectionDestination[];
}

export interface VirtualServiceSpec {
  readonly hosts?: readonly string[];
  readonly gateways?: readonly string[];
  readonly http?: readonly HttpRoute[];
  readonly tls?: readonly TlsRoute[];
  readonly tcp?: readonly TcpRoute[];
  readonly exportTo?: readonly string[];
}

/** networking.istio.io/v1 VirtualService. */
export interface VirtualService extends KubernetesObject {
  readonly apiVersion: "networking.istio.io/v1";
  readonly kind: "VirtualService";
  readonly spec?: VirtualServiceSpec;
  readonly status?: { readonly conditions?: readonly Condition[] };
}
