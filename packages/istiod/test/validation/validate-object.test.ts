// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { describe, expect, it, test } from "vitest";
import { parse } from "yaml";
import { validateObject } from "../../src/validation/validate-object.ts";

const GROUPS: Readonly<Record<string, string>> = {
  AuthorizationPolicy: "security.istio.io/v1",
  PeerAuthentication: "security.istio.io/v1beta1",
  RequestAuthentication: "security.istio.io/v1",
  ServiceEntry: "networking.istio.io/v1",
  WorkloadEntry: "networking.istio.io/v1alpha3",
  DestinationRule: "networking.istio.io/v1",
  VirtualService: "networking.istio.io/v1",
  Telemetry: "telemetry.istio.io/v1",
};

function findings(kind: string, spec: string, metadata = ""): string[] | undefined {
  const object = parse(`{ metadata: { name: x, namespace: shop, ${metadata} }, spec: { ${spec} } }`, {
    uniqueKeys: false,
  }) as object;
  return validateObject({ apiVersion: GROUPS[kind], kind, ...object } as unknown as KubernetesObject)?.map(
    ({ severity, path, message }) => `${severity}: ${path} ${message}`,
  );
}

describe("ServiceEntry", () => {
  const base = "hosts: [a.example.com], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS";
  test.each([
    ["", []],
    ["hosts: []", ["error: spec.hosts is empty; name at least one host"]],
    [
      "hosts: ['*']",
      [
        'error: spec.hosts[0] is "*": an entry for all hosts is not possible',
        'error: spec.hosts[0] "*" can\'t be looked up in DNS; list endpoints',
      ],
    ],
    [
      "hosts: [a_b]",
      [
        'error: spec.hosts[0] "a_b" is no host name',
        'error: spec.hosts[0] "a_b" can\'t be looked up in DNS; list endpoints',
      ],
    ],
    [
      "hosts: ['*.a.com'], resolution: NONE",
      [
        "warning: spec.hosts[0] is a wildcard: without resolution DYNAMIC_DNS it has no address of its own and no waypoint",
      ],
    ],
    ["hosts: ['*.a.com'], resolution: DYNAMIC_DNS", []],
    ["resolution: DYNAMIC_DNS", ["error: spec.hosts[0] is no wildcard: DYNAMIC_DNS is for wildcards"]],
    [
      "hosts: ['*.a.com'], resolution: DYNAMIC_DNS, ports: [{ number: 1, name: a }]",
      ["error: spec.ports[0].protocol TCP does not name a host: DYNAMIC_DNS needs HTTP or TLS"],
    ],
    [
      "addresses: [10.0.0.0/8]",
      ["error: spec.addresses[0] is a range: those are for the resolutions NONE and STATIC, not DNS"],
    ],
    ["addresses: [10.0.0]", ['error: spec.addresses[0] "10.0.0" is no IP address and no range']],
    ["addresses: [10.0.0.0/8], resolution: NONE", []],
    [
      "ports: [{ number: 1, name: a }, { number: 1, name: a }]",
      ['error: spec.ports[1].name "a" is there already', 'error: spec.ports[1].number "1" is there already'],
    ],
    [
      "ports: [{ number: 0, name: a, targetPort: 70000 }]",
      [
        "error: spec.ports[0].number 0 is no port; ports are 1 to 65535",
        "error: spec.ports[0].targetPort 70000 is no port; ports are 1 to 65535",
      ],
    ],
    [
      "hosts: [a.com, b.com], ports: [{ number: 1, name: a }]",
      [
        "error: spec.ports[0].protocol TCP does not say which of the 2 hosts is meant; use HTTP or TLS, or an entry for each host",
      ],
    ],
    [
      "endpoints: [{ address: 10.0.0.1 }], workloadSelector: { labels: { a: b } }",
      ["error: spec.endpoints only one of endpoints and workloadSelector may be set"],
    ],
    [
      "resolution: NONE, endpoints: [{ address: 10.0.0.1 }]",
      ["error: spec.endpoints must be left out: with resolution NONE clients choose the address"],
    ],
    [
      "resolution: DNS_ROUND_ROBIN, endpoints: [{ address: a.com }, { address: b.com }]",
      ["error: spec.endpoints has more than the one entry that DNS_ROUND_ROBIN allows"],
    ],
    [
      "resolution: STATIC, endpoints: [{ address: a.com }]",
      ['error: spec.endpoints[0].address "a.com" is no IP address; host names need a resolution by DNS'],
    ],
    [
      "resolution: STATIC, endpoints: [{ address: 10.0.0.1, ports: { tls: 0 } }]",
      ["error: spec.endpoints[0].ports[tls] 0 is no port; ports are 1 to 65535"],
    ],
  ])("{ %s }", (spec, expected) => expect(findings("ServiceEntry", `${base}, ${spec}`)).toEqual(expected));

  it("a dynamic host can't be inside of the mesh behind a waypoint", () => {
    const spec = `${base}, hosts: ['*.a.com'], resolution: DYNAMIC_DNS, location: MESH_INTERNAL`;
    expect(findings("ServiceEntry", spec)).toEqual([]);
    expect(findings("ServiceEntry", spec, "labels: { istio.io/use-waypoint: w }")).toEqual([
      "error: spec.location MESH_INTERNAL is not possible with DYNAMIC_DNS and a waypoint",
    ]);
  });
});

test.each([
  ["WorkloadEntry", "address: 10.0.0.1, ports: { http: 80 }", []],
  ["WorkloadEntry", "", ["error: spec.address is missing; only a workload of another network may go without"]],
  [
    "WorkloadEntry",
    "network: n",
    ["warning: spec.address is missing: the workload is reached through the gateway of its network only"],
  ],
  ["WorkloadEntry", "address: 'a b'", ['error: spec.address "a b" is no IP address, host name or unix:// path']],
  ["WorkloadEntry", "address: unix:///run/a", []],
  [
    "WorkloadEntry",
    "address: unix://run/, ports: { a: 1 }",
    [
      "error: spec.address is no absolute path or abstract name of a socket",
      "error: spec.ports must be left out: a unix socket has no ports",
    ],
  ],
  ["PeerAuthentication", "mtls: { mode: STRICT }", []],
  [
    "PeerAuthentication",
    "portLevelMtls: { 80: { mode: STRICT } }",
    ["error: spec.portLevelMtls needs a selector with labels: ports belong to workloads"],
  ],
  ["AuthorizationPolicy", "action: DENY", ["error: spec.rules is missing: a DENY policy without rules has no effect"]],
  ["RequestAuthentication", "jwtRules: [{ issuer: a, jwksUri: 'https://a/b' }]", []],
  ["RequestAuthentication", "jwtRules: [{}]", ["error: spec.jwtRules[0] needs an issuer or a jwksUri"]],
  [
    "RequestAuthentication",
    "jwtRules: [{ jwksUri: 'ftp://a/b' }]",
    ['error: spec.jwtRules[0].jwksUri "ftp://a/b" is no http or https URI'],
  ],
  [
    "RequestAuthentication",
    "jwtRules: [{ issuer: a, jwks: '[]' }]",
    ["error: spec.jwtRules[0].jwks is no JSON Web Key Set: an object with the list `keys`"],
  ],
  [
    "RequestAuthentication",
    `jwtRules: [{ issuer: a, jwks: '{"keys":[{"d":"x"}]}' }]`,
    ["warning: spec.jwtRules[0].jwks holds private keys; everybody who can read this object can sign tokens"],
  ],
  [
    "RequestAuthentication",
    "jwtRules: [{ issuer: a, fromHeaders: [{ name: 'a b' }] }]",
    ['error: spec.jwtRules[0].fromHeaders[0].name "a b" is no name of a header'],
  ],
  ["Telemetry", "tracing: [{ randomSamplingPercentage: 100 }]", []],
  [
    "Telemetry",
    "tracing: [{ randomSamplingPercentage: 101 }, {}]",
    [
      "warning: spec.tracing has several entries; only the first one counts",
      "error: spec.tracing[0].randomSamplingPercentage 101 is not between 0 and 100",
    ],
  ],
  [
    "Telemetry",
    "metrics: [{ overrides: [{ tagOverrides: { a: {}, b: { operation: REMOVE, value: x } } }] }]",
    [
      "error: spec.metrics[0].overrides[0].tagOverrides[a].value is missing: UPSERT sets a value",
      "error: spec.metrics[0].overrides[0].tagOverrides[b].value must be left out: REMOVE removes the tag",
    ],
  ],
  ["DestinationRule", "host: web, subsets: [{ name: v1 }]", []],
  [
    "DestinationRule",
    "host: '', subsets: [{ name: v1 }, { name: v1 }, { name: 'a b' }]",
    [
      'error: spec.host "" is no host name',
      'error: spec.subsets[1].name "v1" is there already',
      'error: spec.subsets[2].name "a b" is no DNS label',
    ],
  ],
  [
    "DestinationRule",
    "host: a, trafficPolicy: { tls: { mode: MUTUAL, privateKey: x } }",
    ["error: spec.trafficPolicy.tls.clientCertificate is missing: MUTUAL needs it, or a credentialName"],
  ],
  [
    "DestinationRule",
    "host: a, trafficPolicy: { portLevelSettings: [{}] }",
    ["error: spec.trafficPolicy.portLevelSettings[0].port.number 0 is no port; ports are 1 to 65535"],
  ],
  ["VirtualService", "hosts: [a], http: [{ route: [{ destination: { host: b } }] }]", []],
  ["VirtualService", "hosts: [a]", ["error: spec has no routes: one of http, tls and tcp is needed"]],
  [
    "VirtualService",
    "http: [{}]",
    ["error: spec.http[0] needs exactly one of route, redirect, directResponse and delegate, and has 0"],
  ],
  [
    "VirtualService",
    "http: [{ route: [{ destination: { host: a } }, { destination: { host: '' }, weight: -1 }] }]",
    ["error: spec.http[0].route[1].destination.host is empty", "error: spec.http[0].route[1].weight is negative"],
  ],
  ["VirtualService", "tcp: [{}]", ["error: spec.tcp[0].route is empty; name a destination"]],
])("%s { %s }", (kind, spec, expected) => expect(findings(kind, spec)).toEqual(expected));

it("has nothing to say of other kinds", () => {
  expect(validateObject({ apiVersion: "v1", kind: "Service", metadata: { name: "a" } })).toBeUndefined();
});
