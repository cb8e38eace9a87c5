// SPDX-License-Identifier: Apache-2.0
import { isMeshError } from "@ambientmesh/core";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { describeConfig, parseConfig, type Command, type IstiodConfig } from "../../src/config/config.ts";
import { parseListenAddress } from "../../src/config/listen-address.ts";
import { parseMeshConfig } from "../../src/config/mesh-config.ts";

interface Given {
  readonly argv?: readonly string[];
  readonly env?: Record<string, string>;
  readonly files?: Record<string, string>;
}

const parse = ({ argv = [], env = {}, files = {} }: Given): Command =>
  parseConfig({ argv: ["discovery", ...argv], env, cpus: 2, readFile: (path) => files[path] });

function configOf(given: Given): IstiodConfig {
  const command = parse(given);
  if (command.kind !== "discovery") throw new Error(`parsed as ${command.kind}`);
  return command.config;
}

function problemsOf(given: Given): unknown {
  try {
    parse(given);
  } catch (error) {
    if (isMeshError(error, "CONFIG_INVALID")) return error.details["problems"];
    throw error;
  }
  return [];
}

describe("defaults", () => {
  it("are Istio's, but for plaintext xDS, which stays on loopback", () => {
    const config = configOf({});
    expect(config).toMatchObject({
      httpAddress: { host: "", port: 8080 },
      grpcAddress: { host: "127.0.0.1", port: 15010 },
      secureGrpcAddress: { host: "", port: 15012 },
      monitoringAddress: { host: "", port: 15014 },
      domain: "cluster.local",
      clusterId: "Kubernetes",
      namespace: "istio-system",
      meshConfig: { trustDomain: "cluster.local", rootNamespace: "istio-system" },
      push: { debounceMs: 100, debounceMaxMs: 10_000, maxRequestsPerSecond: 25 },
      authentication: { tokenAudiences: ["istio-ca"], trustedNodeAccounts: [], isDebugAuthenticated: true },
      certificates: { defaultTtlMs: 86_400_000, maxTtlMs: 7_776_000_000, rootDirectory: "./etc/cacerts" },
      shutdownMs: 10_000,
      tls: { minVersion: "TLSv1.2" },
      warnings: [],
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it("are declared for the documentation, each with a sentence", () => {
    const declared = describeConfig();
    expect(declared.map(({ name }) => name)).toContain("CA_TRUSTED_NODE_ACCOUNTS");
    expect(declared.filter(({ description }) => !/^[A-Z].*\.$/.test(description))).toEqual([]);
  });
});

describe("flags and variables", () => {
  it("are read in all notations, flags before variables", () => {
    const config = configOf({
      argv: ["--domain", "mesh.test", "--clusterID=c1", "--grpcAddr=", "--httpAddr=[::1]:0", "--log_as_json=false"],
      env: { CLUSTER_ID: "c2", POD_NAMESPACE: "mesh", PILOT_MAX_REQUESTS_PER_SECOND: "7", TOKEN_AUDIENCES: "a, b" },
    });
    expect(config).toMatchObject({
      domain: "mesh.test",
      clusterId: "c1",
      namespace: "mesh",
      grpcAddress: undefined,
      httpAddress: { host: "::1", port: 0 },
      isLogJson: false,
      meshConfig: { rootNamespace: "mesh" },
      push: { maxRequestsPerSecond: 7 },
      authentication: { tokenAudiences: ["a", "b"] },
    });
  });

  it("warn where what was asked for has no effect", () => {
    expect(
      configOf({
        argv: ["--grpcAddr=:15010", "--profile", "--ctrlz_port=9876", "--httpsAddr="],
        env: { PILOT_PUSH_THROTTLE: "5", PILOT_ENABLE_AMBIENT: "true" },
        files: { "./etc/istio/config/mesh": "trustDomain: a.example\naccessLogFile: /dev/stdout" },
      }),
    ).toMatchObject({
      meshConfig: { trustDomain: "a.example" },
      warnings: [
        '--ctrlz_port="9876" has no effect: there is no ControlZ page; see /debug on the monitoring port',
        '--profile="true" has no effect: there is no pprof endpoint',
        'PILOT_PUSH_THROTTLE="5" has no effect: each client is paced by its own acknowledgements',
        "--grpcAddr: plaintext xDS without authentication is reachable on all addresses",
        "./etc/istio/config/mesh: accessLogFile has no effect in this version",
      ],
    });
  });

  test.each<[string, Given, string]>([
    ["an unknown flag", { argv: ["--frobnicate=1"] }, "--frobnicate is no flag of istiod"],
    ["a flag without value", { argv: ["--domain"] }, "--domain needs a value"],
    ["a second word", { argv: ["serve"] }, '"serve" is one word too many'],
    [
      "a bad address",
      { argv: ["--httpAddr=8080"] },
      '--httpAddr="8080" is not an address like :8080 or 127.0.0.1:8080',
    ],
    ["a bad domain", { argv: ["--domain=a b"] }, '--domain="a b" is not a DNS name'],
    [
      "a key without certificate",
      { argv: ["--tlsKeyFile=k"] },
      "--tlsCertFile and --tlsKeyFile have to be given together",
    ],
    [
      "the webhook",
      { argv: ["--networksConfig=x"] },
      '--networksConfig="x" is not supported: several clusters or networks are not part of this version',
    ],
    ["no authentication", { env: { XDS_AUTH: "false" } }, 'XDS_AUTH="false" is not supported: can\'t be switched off'],
    [
      "lifetimes that contradict",
      { env: { DEFAULT_WORKLOAD_CERT_TTL: "2h", MAX_WORKLOAD_CERT_TTL: "1h" } },
      "DEFAULT_WORKLOAD_CERT_TTL is longer than MAX_WORKLOAD_CERT_TTL",
    ],
    [
      "a lifetime of nothing",
      { env: { DEFAULT_WORKLOAD_CERT_TTL: "1ms" } },
      "DEFAULT_WORKLOAD_CERT_TTL is shorter than a second",
    ],
    [
      "a debounce that contradicts",
      { env: { PILOT_DEBOUNCE_AFTER: "1m" } },
      "PILOT_DEBOUNCE_AFTER is longer than PILOT_DEBOUNCE_MAX",
    ],
    ["no audience", { env: { TOKEN_AUDIENCES: "," } }, "TOKEN_AUDIENCES names no audience"],
    [
      "half an account",
      { env: { CA_TRUSTED_NODE_ACCOUNTS: "ztunnel" } },
      'CA_TRUSTED_NODE_ACCOUNTS: "ztunnel" is not namespace/name',
    ],
    ["a missing file", { argv: ["--meshConfig=nowhere"] }, "--meshConfig: nowhere does not exist"],
  ])("refuse %s", (_what, given, problem) => expect(problemsOf(given)).toContain(problem));

  it("give all problems at once", () => {
    expect(problemsOf({ argv: ["--domain=-", "--x=1"], env: { PILOT_DEBOUNCE_AFTER: "soon" } })).toHaveLength(3);
  });
});

describe("log levels", () => {
  test.each([
    ["default:debug", "xds", true],
    ["default:info,xds:debug", "xds.client", true],
    ["default:info,xds:debug", "ca", false],
    ["all:none", "xds", false],
    ["debug", "xds", true],
  ])("%s writes debug records of %s: %s", (text, scope, isEnabled) => {
    expect(configOf({ argv: [`--log_output_level=${text}`] }).logLevels.isEnabled(scope, "debug")).toBe(isEnabled);
  });

  it("are checked", () => {
    expect(problemsOf({ argv: ["--log_output_level=default:loud"] })).toEqual([
      '--log_output_level: log filter "loud" names "loud", which is none of off, error, warn, info, debug, trace; write it like info or info,xds=debug',
    ]);
  });
});

describe("commands", () => {
  test.each([
    [["version"], "version"],
    [["help"], "help"],
    [[], "help"],
    [["discovery", "--help"], "help"],
  ])("%j", (argv, kind) => expect(parseConfig({ argv, env: {}, cpus: 1, readFile: () => undefined }).kind).toBe(kind));

  it("help names every flag with its default", () => {
    const command = parseConfig({ argv: ["-h"], env: {}, cpus: 1, readFile: () => undefined });
    expect(command.kind === "help" && command.text).toContain(
      "--shutdownDuration duration\n        Time for streams and requests to end after SIGTERM; the rest is cut off. (default 10s)",
    );
  });

  it("refuses others", () => {
    expect(() => parseConfig({ argv: ["serve"], env: {}, cpus: 1, readFile: () => undefined })).toThrow(
      '"serve" is no command; use discovery, version or help',
    );
  });
});

describe("MeshConfig", () => {
  test.each([
    ["trustDomain: a/b", 'mesh: trustDomain: "a/b" is not a trust domain'],
    ["rootNamespace: [a]", 'mesh: rootNamespace: ["a"] is not a namespace'],
    ["rootNamespaces: a", "mesh: rootNamespaces is no field of MeshConfig; correct or remove it"],
    ["- a", "mesh is not a mapping of keys to values"],
    ["a: b: c", "mesh: Nested mappings are not allowed in compact mappings at line 1, column 4:"],
    ["x".repeat(1_048_577), "mesh is longer than 1048576 characters"],
  ])("refuses %.40s", (text, problem) =>
    expect(parseMeshConfig(text, "mesh", "istio-system").problems).toEqual([problem]),
  );

  it("takes keys in both spellings of protobuf, and those of Istio that have no effect", () => {
    const text = "root_namespace: mesh\ntrust_domain: a.example\nmesh_mTLS: {}\naccess_log_file: /dev/stdout\n";
    expect(parseMeshConfig(text, "mesh", "istio-system")).toEqual({
      meshConfig: { rootNamespace: "mesh", trustDomain: "a.example" },
      warnings: ["mesh: meshMTLS has no effect in this version", "mesh: accessLogFile has no effect in this version"],
      problems: [],
    });
  });

  it("never throws and always gives a usable result", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const { meshConfig } = parseMeshConfig(text, "mesh", "istio-system");
        expect(meshConfig.rootNamespace).toMatch(/^[a-z0-9-]+$/);
      }),
    );
  });
});

describe("listen addresses", () => {
  test.each([
    [":0", { host: "", port: 0 }],
    ["localhost:1", { host: "localhost", port: 1 }],
    ["[fd00::1]:65535", { host: "fd00::1", port: 65_535 }],
    ["fd00::1:80", undefined],
    ["a:65536", undefined],
    ["a:", undefined],
    ["[a]:1", { host: "a", port: 1 }],
  ])("%s", (text, address) => expect(parseListenAddress(text)).toEqual(address));
});
