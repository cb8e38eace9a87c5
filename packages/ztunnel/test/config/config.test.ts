// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { describeConfig, parseConfig } from "../../src/config/config.ts";
import type { ZtunnelConfig } from "../../src/config/model.ts";

type Env = Record<string, string>;

function parse(env: Env = {}, files: Record<string, string> = {}): ZtunnelConfig {
  return parseConfig({
    env,
    files: { exists: (path) => path in files, read: (path) => files[path] },
    args: ["proxy", "ztunnel"],
  });
}

function problemOf(env: Env, files: Record<string, string> = {}): string {
  try {
    parse(env, files);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return "";
}

const PEM = "-----BEGIN CERTIFICATE-----";
const ROOT = "./var/run/secrets/istio/root-cert.pem";
const TOKEN = "./var/run/secrets/tokens/istio-token";
const MESH = "./etc/istio/config/mesh";

it("has a default for everything", () => {
  expect(parse()).toMatchInlineSnapshot(`
    {
      "adminPort": 15000,
      "ca": {
        "altHostname": undefined,
        "headers": [],
        "host": "localhost",
        "port": 15012,
        "root": {
          "kind": "file",
          "path": "./var/run/secrets/istio/root-cert.pem",
        },
      },
      "clusterDomain": "cluster.local",
      "clusterId": "Kubernetes",
      "compliance": undefined,
      "connectionWindowSize": 16777216,
      "crlPath": undefined,
      "dnsProxy": {
        "ip": undefined,
        "port": 15053,
      },
      "frameSize": 1048576,
      "inpodUds": "/var/run/ztunnel/ztunnel.sock",
      "instanceIp": "1.1.1.1",
      "isBaggageEnabled": true,
      "isIpv6Enabled": true,
      "isLocalhostAppTunnel": true,
      "isOnDemand": false,
      "isPolicyLoggedAsInfo": false,
      "isPortReused": true,
      "isProxyEnabled": true,
      "isTls12Enabled": false,
      "keepalive": {
        "intervalMs": 180000,
        "isEnabled": true,
        "isUserTimeoutEnabled": false,
        "retries": 9,
        "timeMs": 180000,
      },
      "localConfig": {
        "policies": [],
        "services": [],
        "workloads": [],
      },
      "localNode": undefined,
      "logFilter": "info",
      "logFormat": "plain",
      "mode": {
        "kind": "shared",
      },
      "network": "",
      "nodeMetadata": {},
      "originalSource": "auto",
      "packetMark": 1337,
      "podName": undefined,
      "podNamespace": undefined,
      "poolMaxStreams": 100,
      "poolUnusedReleaseMs": 300000,
      "preferredServiceNamespace": undefined,
      "proxyArgs": "proxy ztunnel",
      "proxyMetadata": {},
      "readinessPort": 15021,
      "resolvConfPath": "/etc/resolv.conf",
      "secretTtlMs": 86400000,
      "serviceAccount": undefined,
      "statsPort": 15020,
      "terminationDeadlineMs": 5000,
      "token": undefined,
      "trustDomain": "cluster.local",
      "warnings": [],
      "windowSize": 4194304,
      "xds": {
        "altHostname": undefined,
        "headers": [],
        "host": "localhost",
        "port": 15012,
        "root": {
          "kind": "file",
          "path": "./var/run/secrets/istio/root-cert.pem",
        },
      },
    }
  `);
});

describe("each variable", () => {
  test.each<[string, Env, Partial<ZtunnelConfig>]>([
    ["NODE_NAME", { NODE_NAME: "n" }, { localNode: "n" }],
    ["NETWORK", { NETWORK: "net" }, { network: "net" }],
    ["CLUSTER_ID", { CLUSTER_ID: "c" }, { clusterId: "c" }],
    ["ISTIO_META_CLUSTER_ID wins", { CLUSTER_ID: "c", ISTIO_META_CLUSTER_ID: "d" }, { clusterId: "d" }],
    ["CLUSTER_DOMAIN", { CLUSTER_DOMAIN: "d" }, { clusterDomain: "d" }],
    ["POD_NAME", { POD_NAME: "p" }, { podName: "p" }],
    ["POD_NAMESPACE", { POD_NAMESPACE: "p" }, { podNamespace: "p" }],
    ["SERVICE_ACCOUNT", { SERVICE_ACCOUNT: "p" }, { serviceAccount: "p" }],
    ["TRUST_DOMAIN", { TRUST_DOMAIN: "t" }, { trustDomain: "t" }],
    ["INSTANCE_IP", { INSTANCE_IP: "1.2.3.4" }, { instanceIp: "1.2.3.4" }],
    ["SECRET_TTL", { SECRET_TTL: "30s" }, { secretTtlMs: 30_000 }],
    ["COMPLIANCE_POLICY", { COMPLIANCE_POLICY: "pqc" }, { compliance: "pqc" }],
    ["TLS12_ENABLED", { TLS12_ENABLED: "true" }, { isTls12Enabled: true }],
    ["CRL_PATH", { CRL_PATH: "/crl" }, { crlPath: "/crl" }],
    ["INPOD_UDS", { INPOD_UDS: "/sock" }, { inpodUds: "/sock" }],
    ["INPOD_PORT_REUSE", { INPOD_PORT_REUSE: "false" }, { isPortReused: false }],
    ["PACKET_MARK", { PACKET_MARK: "7" }, { packetMark: 7 }],
    ["ENABLE_ORIG_SRC", { ENABLE_ORIG_SRC: "true" }, { originalSource: "required" }],
    ["ENABLE_ORIG_SRC=false", { ENABLE_ORIG_SRC: "false" }, { originalSource: "never" }],
    ["IPV6_ENABLED", { IPV6_ENABLED: "false" }, { isIpv6Enabled: false }],
    [
      "KEEPALIVE_*",
      {
        KEEPALIVE_ENABLED: "false",
        KEEPALIVE_TIME: "1m",
        KEEPALIVE_INTERVAL: "2m",
        KEEPALIVE_RETRIES: "3",
        USER_TIMEOUT_ENABLED: "true",
      },
      {
        keepalive: {
          isEnabled: false,
          timeMs: 60_000,
          intervalMs: 120_000,
          retries: 3,
          isUserTimeoutEnabled: true,
        },
      },
    ],
    ["POOL_MAX_STREAMS_PER_CONNECTION", { POOL_MAX_STREAMS_PER_CONNECTION: "5" }, { poolMaxStreams: 5 }],
    ["POOL_UNUSED_RELEASE_TIMEOUT", { POOL_UNUSED_RELEASE_TIMEOUT: "1s" }, { poolUnusedReleaseMs: 1000 }],
    ["HTTP2_STREAM_WINDOW_SIZE", { HTTP2_STREAM_WINDOW_SIZE: "100000" }, { windowSize: 100_000 }],
    ["HTTP2_CONNECTION_WINDOW_SIZE", { HTTP2_CONNECTION_WINDOW_SIZE: "100000" }, { connectionWindowSize: 100_000 }],
    ["HTTP2_FRAME_SIZE", { HTTP2_FRAME_SIZE: "16384" }, { frameSize: 16_384 }],
    ["LOCALHOST_APP_TUNNEL", { LOCALHOST_APP_TUNNEL: "false" }, { isLocalhostAppTunnel: false }],
    ["ENABLE_RESPONSE_BAGGAGE", { ENABLE_RESPONSE_BAGGAGE: "false" }, { isBaggageEnabled: false }],
    ["PREFERED_SERVICE_NAMESPACE", { PREFERED_SERVICE_NAMESPACE: "n" }, { preferredServiceNamespace: "n" }],
    ["AUTHZ_POLICY_INFO_LOGGING", { AUTHZ_POLICY_INFO_LOGGING: "true" }, { isPolicyLoggedAsInfo: true }],
    ["RUST_LOG", { RUST_LOG: "debug,xds=trace" }, { logFilter: "debug,xds=trace" }],
    ["LOG_FORMAT", { LOG_FORMAT: "json" }, { logFormat: "json" }],
    ["CONNECTION_TERMINATION_DEADLINE", { CONNECTION_TERMINATION_DEADLINE: "1m" }, { terminationDeadlineMs: 60_000 }],
    ["TERMINATION_GRACE_PERIOD_SECONDS", { TERMINATION_GRACE_PERIOD_SECONDS: "30" }, { terminationDeadlineMs: 25_000 }],
    ["a short grace period", { TERMINATION_GRACE_PERIOD_SECONDS: "10" }, { terminationDeadlineMs: 9000 }],
    ["no grace period", { TERMINATION_GRACE_PERIOD_SECONDS: "0" }, { terminationDeadlineMs: 1000 }],
    [
      "ISTIO_META_* and ISTIO_METAJSON_*",
      { ISTIO_META_A: "1", ISTIO_METAJSON_B: '{"c":1}' },
      { proxyMetadata: { A: "1" }, nodeMetadata: { B: { c: 1 } } },
    ],
    ["PROXY_MODE=shared", { PROXY_MODE: "shared", FAKE_CA: "false", ENABLE_PROXY: "true" }, {}],
  ])("%s", (_name, env, expected) => expect(parse(env)).toMatchObject(expected));

  test.each<[string, Env, object, Record<string, string>]>([
    [
      "no address in a cluster",
      { KUBERNETES_SERVICE_HOST: "1" },
      { host: "istiod.istio-system.svc", port: 15_012 },
      {},
    ],
    ["host and port", { XDS_ADDRESS: "host:99" }, { host: "host", port: 99 }, {}],
    ["a whole address", { XDS_ADDRESS: "https://[::1]:99" }, { host: "::1", port: 99 }, {}],
    ["an address without port", { XDS_ADDRESS: "https://host" }, { host: "host", port: 443 }, {}],
    ["a root that is there", { XDS_ROOT_CA: "/root" }, { root: { kind: "file", path: "/root" } }, { "/root": PEM }],
    ["a root that is not there yet", { XDS_ROOT_CA: "/root" }, { root: { kind: "file", path: "/root" } }, {}],
    ["the default root", {}, { root: { kind: "file", path: ROOT } }, {}],
    ["the machine's roots", { XDS_ROOT_CA: "SYSTEM" }, { root: { kind: "system" } }, {}],
    ["an inline root", { XDS_ROOT_CA: PEM }, { root: { kind: "inline", pem: PEM } }, {}],
    ["another name", { ALT_XDS_HOSTNAME: "alt" }, { altHostname: "alt" }, {}],
    ["headers", { XDS_HEADER_A: "1", XDS_HEADER_: "2", CA_HEADER_B: "3" }, { headers: [["A", "1"]] }, {}],
  ])("of the control plane: %s", (...[, env, expected, files]) => {
    expect(parse(env, files).xds).toMatchObject(expected);
    const forCa = Object.entries(env).filter(([name]) => !name.startsWith("CA_"));
    const renamed = Object.fromEntries(forCa.map(([name, value]) => [name.replace("XDS_", "CA_"), value]));
    expect(parse(renamed, files).ca).toMatchObject(expected);
  });

  test.each<[string, Env, unknown, Record<string, string>]>([
    ["none", {}, undefined, {}],
    ["the default file", {}, { kind: "file", path: TOKEN }, { [TOKEN]: "t" }],
    ["a file", { AUTH_TOKEN: "token" }, { kind: "file", path: "token" }, { token: "t" }],
    ["a file to come", { AUTH_TOKEN: "/token" }, { kind: "file", path: "/token" }, {}],
    ["itself", { AUTH_TOKEN: "token" }, { kind: "inline", token: "token" }, {}],
  ])("of the token: %s", (...[, env, expected, files]) => expect(parse(env, files).token).toEqual(expected));
});

describe("the mesh config", () => {
  const mesh =
    "defaultConfig:\n  discoveryAddress: istiod.test:15012\n  proxyAdminPort: 1\n  statsPort: 2\n  proxyMetadata: {ISTIO_META_A: x, B: y}";

  it("gives defaults, which PROXY_CONFIG and then ISTIO_META_* override", () => {
    const config = parse(
      { PROXY_CONFIG: "statsPort: 3\nproxyMetadata: {B: z}", ISTIO_META_A: "env" },
      { [MESH]: mesh },
    );
    expect(config).toMatchObject({
      xds: { host: "istiod.test", port: 15_012 },
      ca: { host: "istiod.test" },
      adminPort: 1,
      statsPort: 3,
      proxyMetadata: { A: "env", B: "z" },
    });
  });

  it("may lack defaultConfig, and PROXY_CONFIG may lack proxyMetadata", () => {
    expect(parse({ PROXY_CONFIG: "proxyAdminPort: 5" }, { [MESH]: "trustDomain: x" })).toMatchObject({ adminPort: 5 });
  });

  test.each([
    ["a: [", "PROXY_CONFIG is not YAML"],
    ["- a", "PROXY_CONFIG is not a YAML mapping"],
    ["statsPort: 70000", "PROXY_CONFIG: statsPort is not a whole number from 0 to 65535"],
    ["statsPort: x", "PROXY_CONFIG: statsPort is not a whole number"],
    ["discoveryAddress: 5", "PROXY_CONFIG: discoveryAddress is not a text"],
    ["proxyMetadata: x", "PROXY_CONFIG: proxyMetadata is not a mapping"],
  ])("%j: %s", (text, problem) => expect(problemOf({ PROXY_CONFIG: text })).toContain(problem));
});

describe("a start is refused", () => {
  test.each<[Env, string]>([
    [{ PROXY_MODE: "dedicated" }, 'PROXY_WORKLOAD_INFO="" is not namespace/name/service-account'],
    [{ PROXY_MODE: "dedicated", PROXY_WORKLOAD_INFO: "a/b" }, 'PROXY_WORKLOAD_INFO="a/b" is not'],
    [{ PROXY_MODE: "sidecar" }, 'PROXY_MODE="sidecar" is none of shared, dedicated'],
    [{ XDS_ON_DEMAND: "true" }, "XDS_ON_DEMAND=true needs ISTIO_META_DNS_CAPTURE=false"],
    [{ FAKE_CA: "true" }, "FAKE_CA asks for a CA for tests"],
    [{ UNSTABLE_ENABLE_SOCKS5: "true" }, "UNSTABLE_ENABLE_SOCKS5 asks for the SOCKS5 listener"],
    [{ LOCAL_XDS_PATH: "/x" }, 'LOCAL_XDS_PATH="/x" can\'t be read'],
    [{ LOCAL_XDS: "workloads: 5" }, "the local configuration can't be used: it.workloads is not a list"],
    [{ LOCAL_XDS: "{}", LOCAL_XDS_PATH: "/x" }, "LOCAL_XDS_PATH and LOCAL_XDS are both set"],
    [{ COMPLIANCE_POLICY: "fips" }, 'COMPLIANCE_POLICY="fips" is none of pqc'],
    [{ ENABLE_PROXY: "false", ISTIO_META_DNS_CAPTURE: "false" }, "leave nothing to run"],
    [{ ISTIO_META_DNS_PROXY_ADDR: "example.org:53" }, 'ISTIO_META_DNS_PROXY_ADDR="example.org:53" is neither'],
    [{ CA_ADDRESS: "http://x:1" }, 'CA_ADDRESS="http://x:1" is not an https address'],
    [{ XDS_ADDRESS: "https://" }, 'XDS_ADDRESS="https://" is not an https address'],
    [{ ISTIO_METAJSON_X: "{" }, "ISTIO_METAJSON_X is not JSON"],
    [{ ZTUNNEL_WORKER_THREADS: "many" }, 'ZTUNNEL_WORKER_THREADS="many" is neither a number nor a percentage'],
    [{ SECRET_TTL: "soon" }, 'SECRET_TTL="soon" is not a duration'],
    [{ IPV6_ENABLED: "yes" }, 'IPV6_ENABLED="yes" is neither "true" nor "false"'],
    [{ PACKET_MARK: "0" }, 'PACKET_MARK="0" is not a whole number from 1'],
  ])("%o: %s", (env, problem) => expect(problemOf(env)).toContain(problem));

  it("with all problems at once", () => {
    expect(problemOf({ FAKE_CA: "true", SECRET_TTL: "soon" })).toMatch(/FAKE_CA.*SECRET_TTL/);
  });
});

test.each<[string, Env, string[]]>([
  [
    "worker threads",
    { ZTUNNEL_WORKER_THREADS: "50%" },
    ["worker threads are not part of this version: one event loop serves all pods"],
  ],
  [
    "concurrency",
    { PROXY_CONFIG: "concurrency: 2" },
    ["worker threads are not part of this version: one event loop serves all pods"],
  ],
  ["nothing", { ZTUNNEL_WORKER_THREADS: "1" }, []],
])("warns of %s", (_name, env, warnings) => expect(parse(env).warnings).toEqual(warnings));

it("describes each variable once, in a sentence", () => {
  const variables = describeConfig();
  expect(new Set(variables.map(({ name }) => name)).size).toBe(variables.length);
  expect(variables.filter(({ description }) => !/^.+\.$/.test(description))).toEqual([]);
  expect(variables.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["XDS_ADDRESS", "RUST_LOG", "ISTIO_META_*"]),
  );
});

test.each([
  ["on loopback by default", {}, { ip: undefined, port: 15_053 }],
  ["on if that is said in any case", { ISTIO_META_DNS_CAPTURE: "TRUE" }, { ip: undefined, port: 15_053 }],
  ["off", { ISTIO_META_DNS_CAPTURE: "false" }, undefined],
  ["at an address", { ISTIO_META_DNS_PROXY_ADDR: "127.0.0.2:53" }, { ip: "127.0.0.2", port: 53 }],
  ["on loopback at a port", { ISTIO_META_DNS_PROXY_ADDR: "localhost:5353" }, { ip: undefined, port: 5353 }],
] as const)("the DNS proxy is %s", (_name, env, expected) => {
  expect(parse(env).dnsProxy).toEqual(expected);
});

test.each([
  ["all pods of a node", {}, { mode: { kind: "shared" }, packetMark: 1337, isProxyEnabled: true, isOnDemand: false }],
  [
    "one workload",
    { PROXY_MODE: "dedicated", PROXY_WORKLOAD_INFO: "shop/web-1/web" },
    {
      mode: { kind: "dedicated", workload: { namespace: "shop", name: "web-1", serviceAccount: "web" } },
      packetMark: undefined,
    },
  ],
  ["without a control plane", { XDS_ADDRESS: "", CA_ADDRESS: "" }, { xds: undefined, ca: undefined }],
  ["names only", { ENABLE_PROXY: "false" }, { isProxyEnabled: false }],
  ["on demand", { XDS_ON_DEMAND: "true", ISTIO_META_DNS_CAPTURE: "false" }, { isOnDemand: true, dnsProxy: undefined }],
])("serves %s", (_name, env, expected) => {
  expect(parse(env)).toMatchObject(expected);
});

it("reads a local configuration from a file or a variable", () => {
  const text = "workloads: [{ name: a, namespace: b, workloadIps: [10.0.0.1], services: {} }]";
  const expected = { localConfig: { workloads: [{ name: "a", addresses: ["10.0.0.1"] }] } };
  expect(parse({ LOCAL_XDS: text })).toMatchObject(expected);
  expect(parse({ LOCAL_XDS_PATH: "/local.yaml" }, { "/local.yaml": text })).toMatchObject(expected);
});
