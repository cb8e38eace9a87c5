// SPDX-License-Identifier: Apache-2.0
import type {
  ConnectionDestination,
  CorsPolicy,
  HeaderOperations,
  Headers,
  HttpDirectResponse,
  HttpFault,
  HttpMatchRequest,
  HttpRedirect,
  HttpRetry,
  HttpRewrite,
  HttpRoute,
  HttpRouteDestination,
  Percent,
  RouteDestinationReference,
  StringMatch,
  TcpMatch,
  TcpRoute,
  TlsMatch,
  TlsRoute,
  VirtualServiceSpec,
} from "../virtual-service.ts";
import {
  double,
  duration,
  fields,
  flag,
  int32,
  limited,
  listOf,
  mapOf,
  oneOf,
  optionalFlag,
  optionalUint32,
  text,
  textMap,
  texts,
  uint32,
  type FieldSchema,
} from "./field-schema.ts";

const stringMatch = fields<StringMatch>({ exact: text, prefix: text, regex: text });
const stringMatches = mapOf(stringMatch);
const percentage = fields<Percent>({ value: double });

const destination = fields<RouteDestinationReference>(
  { host: text, subset: text, port: fields<{ readonly number?: number }>({ number: uint32 }) },
  "host",
);

const headerOperations = fields<HeaderOperations>({ set: textMap, add: textMap, remove: texts });
const headers = fields<Headers>({ request: headerOperations, response: headerOperations });

const httpMatch = fields<HttpMatchRequest>({
  name: text,
  uri: stringMatch,
  scheme: stringMatch,
  method: stringMatch,
  authority: stringMatch,
  headers: stringMatches,
  withoutHeaders: stringMatches,
  queryParams: stringMatches,
  ignoreUriCase: flag,
  port: uint32,
  sourceLabels: textMap,
  sourceNamespace: text,
  gateways: texts,
  statPrefix: text,
});

const redirect = fields<HttpRedirect>({
  uri: text,
  authority: text,
  port: uint32,
  derivePort: oneOf("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"),
  scheme: text,
  redirectCode: uint32,
  prefixRewrite: text,
});

const directResponse = fields<HttpDirectResponse>(
  {
    status: uint32,
    body: fields<NonNullable<HttpDirectResponse["body"]>>({ string: text, bytes: limited(text, { format: "byte" }) }),
  },
  "status",
);

const retries = fields<HttpRetry>({
  attempts: int32,
  perTryTimeout: duration,
  retryOn: text,
  retryRemoteLocalities: optionalFlag,
  retryIgnorePreviousHosts: optionalFlag,
  backoff: duration,
});

const fault = fields<HttpFault>({
  delay: fields<NonNullable<HttpFault["delay"]>>({
    percent: int32,
    percentage,
    fixedDelay: duration,
    exponentialDelay: duration,
  }),
  abort: fields<NonNullable<HttpFault["abort"]>>({
    percentage,
    httpStatus: int32,
    grpcStatus: text,
    http2Error: text,
  }),
});

const corsPolicy = fields<CorsPolicy>({
  allowOrigin: texts,
  allowOrigins: listOf(stringMatch),
  allowMethods: texts,
  allowHeaders: texts,
  exposeHeaders: texts,
  maxAge: duration,
  allowCredentials: optionalFlag,
  unmatchedPreflights: oneOf("UNSPECIFIED", "FORWARD", "IGNORE"),
});

const httpRoute = fields<HttpRoute>({
  name: text,
  match: listOf(httpMatch),
  route: listOf(fields<HttpRouteDestination>({ destination, weight: int32, headers }, "destination")),
  redirect,
  directResponse,
  delegate: fields<NonNullable<HttpRoute["delegate"]>>({ name: text, namespace: text }),
  rewrite: fields<HttpRewrite>({
    uri: text,
    authority: text,
    uriRegexRewrite: fields<NonNullable<HttpRewrite["uriRegexRewrite"]>>({ match: text, rewrite: text }),
  }),
  timeout: duration,
  retries,
  fault,
  mirror: destination,
  mirrors: listOf(fields<NonNullable<HttpRoute["mirrors"]>[number]>({ destination, percentage }, "destination")),
  mirrorPercent: optionalUint32,
  mirror_percent: optionalUint32,
  mirrorPercentage: percentage,
  corsPolicy,
  headers,
});

const connectionRoute = listOf(fields<ConnectionDestination>({ destination, weight: int32 }, "destination"));
const connectionMatch = {
  destinationSubnets: texts,
  port: uint32,
  sourceLabels: textMap,
  gateways: texts,
  sourceNamespace: text,
};

const tlsRoute = fields<TlsRoute>(
  { match: listOf(fields<TlsMatch>({ sniHosts: texts, ...connectionMatch }, "sniHosts")), route: connectionRoute },
  "match",
);
const tcpRoute = fields<TcpRoute>({
  match: listOf(fields<TcpMatch>({ ...connectionMatch, sourceSubnet: text })),
  route: connectionRoute,
});

export const virtualServiceSpec: FieldSchema<VirtualServiceSpec> = fields<VirtualServiceSpec>({
  hosts: texts,
  gateways: texts,
  http: listOf(httpRoute),
  tls: listOf(tlsRoute),
  tcp: listOf(tcpRoute),
  exportTo: texts,
});
