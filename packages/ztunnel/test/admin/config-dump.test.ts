// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import { staticSource } from "@ambientmesh/spiffe";
import { FakeClock, testSvid } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { configDump } from "../../src/admin/config-dump.ts";
import { dumpCertificates } from "../../src/admin/dump-certificates.ts";
import { dumpPolicy, dumpService, dumpWorkload } from "../../src/admin/dump-state.ts";
import { parseConfig } from "../../src/config/config.ts";
import { VERSION } from "../../src/version.ts";
import { gatewayAt, gatewayNamed, partOf, service, stateOf, workload } from "../fixtures.ts";

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

it("writes a workload under Istio's names, without what is empty", () => {
  expect(
    asJson(
      dumpWorkload(
        workload("web", ["10.0.0.1"], {
          services: partOf("web"),
          waypoint: gatewayAt("10.0.0.9"),
          networkGateway: gatewayNamed("gw.example", 15_009),
          applicationTunnel: { protocol: 1, port: 15_088 },
          locality: { region: "r", zone: "z", subzone: "" },
          authorizationPolicies: ["default/p"],
          nativeTunnel: true,
          network: "net",
        }),
      ),
    ),
  ).toMatchInlineSnapshot(`
    {
      "applicationTunnel": {
        "port": 15088,
        "protocol": "PROXY",
      },
      "authorizationPolicies": [
        "default/p",
      ],
      "canonicalName": "web",
      "canonicalRevision": "v1",
      "capacity": 1,
      "clusterId": "Kubernetes",
      "locality": {
        "region": "r",
        "zone": "z",
      },
      "name": "web",
      "namespace": "default",
      "nativeTunnel": true,
      "network": "net",
      "networkGateway": {
        "destination": "default/gw.example",
        "hboneMtlsPort": 15009,
      },
      "networkMode": "Standard",
      "node": "node-a",
      "protocol": "HBONE",
      "serviceAccount": "web",
      "services": [
        "default/web.default.svc.cluster.local",
      ],
      "status": "Healthy",
      "trustDomain": "cluster.local",
      "uid": "Kubernetes//Pod/default/web",
      "waypoint": {
        "destination": "/10.0.0.9",
        "hboneMtlsPort": 15008,
      },
      "workloadIps": [
        "10.0.0.1",
      ],
      "workloadName": "web",
      "workloadType": "pod",
    }
  `);
  const bare = Object.keys(
    dumpWorkload(workload("bare", [], { node: "", workloadName: "", canonicalName: "", canonicalRevision: "" })),
  );
  expect(bare).not.toEqual(expect.arrayContaining(["waypoint"]));
  expect(bare.toSorted()).toEqual([
    "capacity",
    "clusterId",
    "name",
    "namespace",
    "networkMode",
    "protocol",
    "serviceAccount",
    "status",
    "trustDomain",
    "uid",
    "workloadIps",
    "workloadType",
  ]);
});

it("writes a service with its endpoints", () => {
  const state = stateOf(
    service("web", ["10.9.0.1", "10.8.0.0/16"], {
      waypoint: gatewayNamed("wp"),
      weightedWaypoints: [{ weight: 2, destination: gatewayAt("10.0.0.9") }],
      loadBalancing: { mode: 2, routingPreference: [6, 1] },
      ipFamilies: 3,
      subjectAltNames: ["spiffe://td/ns/n/sa/s"],
    }),
    workload("web", ["10.0.0.1"], { services: partOf("web") }),
  );
  const [entry] = [...state.services.all()];
  expect(asJson(entry && dumpService(entry))).toMatchInlineSnapshot(`
    {
      "canonical": false,
      "cidrVips": [
        {
          "cidr": "10.8.0.0/16",
          "network": "",
        },
      ],
      "endpoints": {
        "Kubernetes//Pod/default/web": {
          "port": {
            "80": 8080,
          },
          "status": "Healthy",
          "workloadUid": "Kubernetes//Pod/default/web",
        },
      },
      "hostname": "web.default.svc.cluster.local",
      "ipFamilies": "Dual",
      "loadBalancer": {
        "healthPolicy": "OnlyHealthy",
        "mode": "Failover",
        "routingPreferences": [
          "Network",
          "Region",
        ],
      },
      "name": "web",
      "namespace": "default",
      "ports": {
        "80": 8080,
      },
      "subjectAltNames": [
        "spiffe://td/ns/n/sa/s",
      ],
      "vips": [
        "/10.9.0.1",
      ],
      "visibility": "Public",
      "waypoint": {
        "destination": "default/wp",
        "hboneMtlsPort": 15008,
      },
      "weightedWaypoints": [
        {
          "destination": {
            "destination": "/10.0.0.9",
            "hboneMtlsPort": 15008,
          },
          "weight": 2,
        },
      ],
    }
  `);
});

it("writes a policy as rules of clauses of matches", () => {
  const policy = create(AuthorizationSchema, {
    name: "p",
    namespace: "ns",
    scope: 2,
    action: 1,
    groups: [
      {
        rules: [
          {
            matches: [
              {
                principals: [{ matchType: { case: "exact", value: "td/ns/a/sa/b" } }],
                notNamespaces: [
                  { matchType: { case: "suffix", value: "-dev" } },
                  { matchType: { case: "presence", value: {} } },
                ],
                sourceIps: [{ address: Uint8Array.from([10, 0, 0, 0]), length: 8 }],
                destinationPorts: [80],
                serviceAccounts: [{ namespace: "a", serviceAccount: "b" }],
              },
            ],
          },
        ],
      },
    ],
  });
  expect(asJson(dumpPolicy(policy))).toMatchInlineSnapshot(`
    {
      "action": "Deny",
      "dryRun": false,
      "name": "p",
      "namespace": "ns",
      "rules": [
        [
          [
            {
              "destinationPorts": [
                80,
              ],
              "notNamespaces": [
                {
                  "Suffix": "-dev",
                },
                {
                  "Presence": [],
                },
              ],
              "principals": [
                {
                  "Exact": "td/ns/a/sa/b",
                },
              ],
              "serviceAccounts": [
                {
                  "namespace": "a",
                  "serviceAccount": "b",
                },
              ],
              "sourceIps": [
                "10.0.0.0/8",
              ],
            },
          ],
        ],
      ],
      "scope": "WorkloadSelector",
    }
  `);
});

describe("certificates", () => {
  it("are base64 of PEM, with decimal serial numbers and times in seconds", async () => {
    const svid = await testSvid();
    const [dump] = dumpCertificates(staticSource(svid)) as {
      certChain: Record<string, string>[];
      rootCerts: Record<string, string>[];
    }[];
    expect(dump).toMatchObject({ identity: svid.id, state: "Available" });
    const [leaf] = dump?.certChain ?? [];
    expect(Buffer.from(leaf?.["pem"] ?? "", "base64").toString()).toMatch(/^-----BEGIN CERTIFICATE-----/);
    expect(leaf?.["serialNumber"]).toMatch(/^\d+$/);
    expect(leaf?.["validFrom"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(dump?.rootCerts).toHaveLength(1);
  });

  it("that are not there say why", () => {
    const states = (["Initializing", "Unavailable"] as const).map((kind) => ({
      id: "spiffe://td/ns/n/sa/s",
      state: kind === "Initializing" ? { kind, priority: "Warmup" } : { kind, error: new Error("no CA") },
    }));
    const source = { ...staticSource(), states: () => states } as unknown as ReturnType<typeof staticSource>;
    expect(dumpCertificates(source).map(({ state }) => state)).toEqual(["Initializing", "Unavailable: no CA"]);
  });
});

it("holds every part, sorted, and no secrets", () => {
  const config = parseConfig({
    env: {
      AUTH_TOKEN: "t0ken",
      XDS_ROOT_CA: "SYSTEM",
      XDS_HEADER_A: "b",
      POD_NAME: "p",
      POD_NAMESPACE: "n",
      SERVICE_ACCOUNT: "s",
      ENABLE_ORIG_SRC: "true",
    },
    files: { exists: () => false, read: () => undefined },
    args: ["proxy"],
  });
  const state = stateOf(workload("b", ["10.0.0.2"]), workload("a", ["10.0.0.1"], { services: partOf("later") }));
  const dump = configDump({
    config,
    illegalPorts: new Set([15_008, 15_001]),
    state,
    certificates: staticSource(),
    hosting: {
      pods: [{ uid: "u", workload: { name: "a", namespace: "n", serviceAccount: "s" }, running: undefined }],
    },
    clock: new FakeClock(),
  });
  expect(JSON.stringify(dump)).not.toContain("t0ken");
  expect((dump["workloads"] as { name: string }[]).map(({ name }) => name)).toEqual(["a", "b"]);
  expect(Object.keys(dump["stagedServices"] as object)).toEqual(["default/later.default.svc.cluster.local"]);
  expect(dump["workloadState"]).toEqual({
    u: { state: "Pending", info: { name: "a", namespace: "n", serviceAccount: "s" } },
  });
  expect(asJson(dump["config"])).toMatchInlineSnapshot(`
    {
      "adminAddr": {
        "Localhost": [
          true,
          15000,
        ],
      },
      "altCaHostname": null,
      "altXdsHostname": null,
      "caAddress": "https://localhost:15012",
      "caHeaders": [],
      "caRootCert": {
        "File": "./var/run/secrets/istio/root-cert.pem",
      },
      "clusterDomain": "cluster.local",
      "clusterId": "Kubernetes",
      "connectionWindowSize": 16777216,
      "crlPath": null,
      "dnsProxy": true,
      "dnsProxyAddr": {
        "Localhost": [
          true,
          15053,
        ],
      },
      "dnsResolverCfg": null,
      "dnsResolverOpts": null,
      "enableEnhancedBaggage": true,
      "fakeCa": false,
      "fakeSelfInbound": false,
      "frameSize": 1048576,
      "illegalPorts": [
        15001,
        15008,
      ],
      "inboundAddr": "[::]:15008",
      "inboundPlaintextAddr": "[::]:15006",
      "inpodPortReuse": true,
      "inpodUds": "/var/run/ztunnel/ztunnel.sock",
      "ipv6Enabled": true,
      "localNode": null,
      "localhostAppTunnel": true,
      "network": "",
      "numWorkerThreads": 1,
      "outboundAddr": "[::]:15001",
      "packetMark": 1337,
      "poolMaxStreamsPerConn": 100,
      "poolUnusedReleaseTimeout": {
        "nanos": 0,
        "secs": 300,
      },
      "preferedServiceNamespace": null,
      "proxy": true,
      "proxyArgs": "proxy",
      "proxyMetadata": {},
      "proxyMode": "Shared",
      "proxyWorkloadInformation": null,
      "readinessAddr": {
        "SocketAddr": "[::]:15021",
      },
      "requireOriginalSource": true,
      "secretTtl": {
        "nanos": 0,
        "secs": 86400,
      },
      "selfTerminationDeadline": {
        "nanos": 0,
        "secs": 5,
      },
      "socketConfig": {
        "keepaliveEnabled": true,
        "keepaliveInterval": {
          "nanos": 0,
          "secs": 180,
        },
        "keepaliveRetries": 9,
        "keepaliveTime": {
          "nanos": 0,
          "secs": 180,
        },
        "userTimeoutEnabled": false,
      },
      "socks5Addr": null,
      "statsAddr": {
        "SocketAddr": "[::]:15020",
      },
      "windowSize": 4194304,
      "xdsAddress": "https://localhost:15012",
      "xdsHeaders": [
        [
          "A",
          "b",
        ],
      ],
      "xdsOnDemand": false,
      "xdsRootCert": "Default",
      "ztunnelIdentity": "spiffe://cluster.local/ns/n/sa/s",
      "ztunnelWorkload": {
        "name": "p",
        "namespace": "n",
        "serviceAccount": "s",
      },
    }
  `);
});

it("names the version of the package", () => {
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(VERSION).toBe(manifest.version);
});
