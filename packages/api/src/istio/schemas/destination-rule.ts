// SPDX-License-Identifier: Apache-2.0
import type {
  ClientTlsSettings,
  ConnectionPoolSettings,
  ConsistentHash,
  DestinationRuleSpec,
  DestinationSubset,
  HttpCookie,
  HttpSettings,
  LoadBalancerSettings,
  LocalityFailover,
  LocalityLbSetting,
  OutlierDetection,
  PortTrafficPolicy,
  TcpSettings,
  TrafficPolicy,
  ZoneAwareLbSetting,
} from "../destination-rule.ts";
import { selector } from "./attachment.ts";
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
  uint64,
  type FieldSchema,
} from "./field-schema.ts";

const MAX_PORT_SETTINGS = 4096;
const optionalPercent = limited(double, { minimum: 0, maximum: 100, nullable: true });

const tcp = fields<TcpSettings>({
  maxConnections: int32,
  connectTimeout: duration,
  tcpKeepalive: fields<NonNullable<TcpSettings["tcpKeepalive"]>>({
    probes: uint32,
    time: duration,
    interval: duration,
  }),
  maxConnectionDuration: duration,
  idleTimeout: duration,
});

const http = fields<HttpSettings>({
  http1MaxPendingRequests: int32,
  http2MaxRequests: int32,
  maxRequestsPerConnection: int32,
  maxRetries: int32,
  idleTimeout: duration,
  h2UpgradePolicy: oneOf("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"),
  useClientProtocol: flag,
  maxConcurrentStreams: int32,
  http2KeepAlive: fields<NonNullable<HttpSettings["http2KeepAlive"]>>({ interval: duration, timeout: duration }),
});

const cookie = fields<HttpCookie>(
  {
    name: text,
    path: text,
    ttl: duration,
    attributes: listOf(fields<{ readonly name: string; readonly value?: string }>({ name: text, value: text }, "name")),
  },
  "name",
);

const consistentHash = fields<ConsistentHash>({
  httpHeaderName: text,
  httpCookie: cookie,
  useSourceIp: flag,
  httpQueryParameterName: text,
  ringHash: fields<NonNullable<ConsistentHash["ringHash"]>>({ minimumRingSize: uint64 }),
  maglev: fields<NonNullable<ConsistentHash["maglev"]>>({ tableSize: uint64 }),
  minimumRingSize: uint64,
});

const failover = listOf(fields<LocalityFailover>({ from: text, to: text }));

const localityLbSetting = fields<LocalityLbSetting>({
  distribute: listOf(
    fields<{ readonly from?: string; readonly to?: Readonly<Record<string, number>> }>({
      from: text,
      to: mapOf(uint32),
    }),
  ),
  failover,
  failoverPriority: texts,
  enabled: optionalFlag,
});

const loadBalancer = fields<LoadBalancerSettings>({
  simple: oneOf("UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"),
  consistentHash,
  localityLbSetting,
  zoneAwareLbSetting: fields<ZoneAwareLbSetting>({
    enabled: optionalFlag,
    failover,
    failoverPriority: texts,
    minClusterSize: limited(optionalUint32, { minimum: 1 }),
  }),
  warmupDurationSecs: duration,
  warmup: fields<NonNullable<LoadBalancerSettings["warmup"]>>(
    {
      duration,
      minimumPercent: optionalPercent,
      aggression: limited(double, { minimum: 0, nullable: true }),
    },
    "duration",
  ),
});

const outlierDetection = fields<OutlierDetection>({
  consecutiveErrors: int32,
  splitExternalLocalOriginErrors: flag,
  consecutiveLocalOriginFailures: optionalUint32,
  consecutiveGatewayErrors: optionalUint32,
  consecutive5xxErrors: optionalUint32,
  interval: duration,
  baseEjectionTime: duration,
  maxEjectionPercent: int32,
  minHealthPercent: int32,
  outlierDetectionHttpErrorCodes: listOf(limited(uint32, { minimum: 100, maximum: 599 })),
});

const tls = fields<ClientTlsSettings>({
  mode: oneOf("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"),
  clientCertificate: text,
  privateKey: text,
  caCertificates: text,
  caCrl: text,
  credentialName: text,
  subjectAltNames: texts,
  sni: text,
  insecureSkipVerify: optionalFlag,
});

const settings = {
  connectionPool: fields<ConnectionPoolSettings>({ tcp, http }),
  loadBalancer,
  outlierDetection,
  tls,
};

const trafficPolicy = fields<TrafficPolicy>({
  ...settings,
  portLevelSettings: listOf(
    fields<PortTrafficPolicy>({ port: fields<{ readonly number?: number }>({ number: uint32 }), ...settings }),
    { maxItems: MAX_PORT_SETTINGS },
  ),
  tunnel: fields<NonNullable<TrafficPolicy["tunnel"]>>(
    { protocol: text, targetHost: text, targetPort: uint32 },
    "targetHost",
    "targetPort",
  ),
  proxyProtocol: fields<NonNullable<TrafficPolicy["proxyProtocol"]>>({ version: oneOf("V1", "V2") }),
  retryBudget: fields<NonNullable<TrafficPolicy["retryBudget"]>>({
    percent: optionalPercent,
    minRetryConcurrency: uint32,
    budgetInterval: duration,
  }),
});

export const destinationRuleSpec: FieldSchema<DestinationRuleSpec> = fields<DestinationRuleSpec>(
  {
    host: text,
    trafficPolicy,
    subsets: listOf(fields<DestinationSubset>({ name: text, labels: textMap, trafficPolicy }, "name")),
    exportTo: texts,
    workloadSelector: selector,
  },
  "host",
);
