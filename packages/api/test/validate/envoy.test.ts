// SPDX-License-Identifier: Apache-2.0
import { type DescMessage, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { ClusterSchema } from "../../src/envoy/cluster.ts";
import { ListenerSchema } from "../../src/envoy/listener.ts";
import { httpConnectionManager } from "../../src/envoy/network-filters.ts";
import { RouteConfigurationSchema } from "../../src/envoy/route.ts";
import { envoyRegistry } from "../../src/envoy/index.ts";
import { createValidator } from "../../src/validate/index.ts";
import { Decisions, arbitraryMessage } from "./arbitrary-message.ts";
import { brokenIn } from "./judge.ts";

const types = [...envoyRegistry].filter((type): type is DescMessage => type.kind === "message");
// Descriptors have required fields, without which a message has no bytes.
const encodable = types.filter((type) => type.file.name !== "google/protobuf/descriptor");
const validator = createValidator({ registry: envoyRegistry });

it("Envoy's messages have rules, all of which can be evaluated", () => {
  const broken = types.filter((type) => !validator.validate(type, create(type)).ok);
  expect(types.length).toBeGreaterThan(600);
  expect(broken.length).toBeGreaterThan(200);
});

// Read from the .proto files by hand.
test.each<[name: string, expected: string]>([
  ["envoy.config.cluster.v3.Cluster", "name string.min_len"],
  ["envoy.config.cluster.v3.CircuitBreakers", ""],
  ["envoy.config.core.v3.Address", "address oneof.required"],
  ["envoy.config.core.v3.DataSource", "specifier oneof.required"],
  ["envoy.config.core.v3.ExtensionConfigSource", "config_source any.required, type_urls repeated.min_items"],
  [
    "envoy.config.core.v3.HealthCheck",
    "timeout duration.required, interval duration.required, unhealthy_threshold message.required, healthy_threshold message.required, health_checker oneof.required",
  ],
  ["envoy.config.core.v3.HttpUri", "uri string.min_len, timeout duration.required, http_upstream_type oneof.required"],
  ["envoy.config.core.v3.Node", ""],
  ["envoy.config.core.v3.SocketAddress", "address string.min_len, port_specifier oneof.required"],
  ["envoy.config.core.v3.TypedExtensionConfig", "name string.min_len, typed_config any.required"],
  ["envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name string.min_len"],
  ["envoy.config.endpoint.v3.LbEndpoint", ""],
  ["envoy.config.listener.v3.Filter", "name string.min_len"],
  ["envoy.config.listener.v3.Listener", ""],
  ["envoy.config.rbac.v3.Policy", "permissions repeated.min_items, principals repeated.min_items"],
  ["envoy.config.rbac.v3.Principal", "identifier oneof.required"],
  ["envoy.config.route.v3.DirectResponseAction", "status uint32.gte"],
  ["envoy.config.route.v3.Route", "match message.required, action oneof.required"],
  ["envoy.config.route.v3.RouteConfiguration", ""],
  ["envoy.config.route.v3.RouteMatch", "path_specifier oneof.required"],
  ["envoy.config.route.v3.VirtualHost", "name string.min_len, domains repeated.min_items"],
  [
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    "stat_prefix string.min_len, route_specifier oneof.required",
  ],
  [
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    "stat_prefix string.min_len, cluster_specifier oneof.required",
  ],
  [
    "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
    "name string.min_len, weight uint32.gte",
  ],
  ["envoy.extensions.filters.http.router.v3.Router", ""],
  ["envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher", "san_type enum.not_in, matcher message.required"],
  ["envoy.type.matcher.v3.StringMatcher", "match_pattern oneof.required"],
  ["envoy.type.v3.HttpStatus", "code enum.not_in"],
  ["envoy.type.v3.TokenBucket", "max_tokens uint32.gt, fill_interval duration.required"],
  ["xds.core.v3.CollectionEntry.InlineEntry", "name string.pattern"],
  ["xds.type.matcher.v3.Matcher.MatcherTree.MatchMap", "map map.min_pairs"],
])("an empty %s: %s", (name, expected) => {
  const type = envoyRegistry.getMessage(name) as DescMessage;
  const broken = brokenIn(type, create(type), validator).map((violation) => violation.join(" "));
  expect(broken.join(", ")).toBe(expected);
});

describe("configuration", () => {
  it("with faults is told about each of them", () => {
    const cluster = create(ClusterSchema, {
      name: "outbound|80||shop.example",
      connectTimeout: { seconds: 0n },
      loadAssignment: {
        endpoints: [
          {
            priority: 129,
            lbEndpoints: [
              { hostIdentifier: { case: "endpoint", value: { address: {} } } },
              { loadBalancingWeight: 0, hostIdentifier: { case: "endpointName", value: "" } },
            ],
          },
        ],
      },
      lbConfig: { case: "ringHashLbConfig", value: { minimumRingSize: 8_388_609n } },
    });
    expect(brokenIn(ClusterSchema, cluster, validator)).toEqual([
      ["connect_timeout", "duration.gt"],
      ["load_assignment.cluster_name", "string.min_len"],
      ["load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.address", "oneof.required"],
      ["load_assignment.endpoints[0].lb_endpoints[1].load_balancing_weight", "uint32.gte"],
      ["load_assignment.endpoints[0].priority", "uint32.lte"],
      ["ring_hash_lb_config.minimum_ring_size", "uint64.lte"],
    ]);
  });

  it("is looked at in the Any of a filter", () => {
    const manager = create(httpConnectionManager.HttpConnectionManagerSchema, {
      routeSpecifier: { case: "routeConfig", value: { virtualHosts: [{ name: "a" }] } },
      statPrefix: "inbound",
    });
    const typedConfig = anyPack(httpConnectionManager.HttpConnectionManagerSchema, manager);
    const configType = { case: "typedConfig", value: typedConfig } as const;
    const listener = create(ListenerSchema, { filterChains: [{ filters: [{ name: "http", configType }] }] });
    expect(brokenIn(ListenerSchema, listener)).toEqual([]);
    expect(brokenIn(ListenerSchema, listener, validator)).toEqual([
      [
        "filter_chains[0].filters[0].typed_config[envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager].route_config.virtual_hosts[0].domains",
        "repeated.min_items",
      ],
    ]);
  });

  it("of a query parameter needs a matcher only where it is the choice (a required message in a oneof)", () => {
    const matching = (queryParameter: object) =>
      create(RouteConfigurationSchema, {
        virtualHosts: [
          {
            name: "a",
            domains: ["*"],
            routes: [
              {
                match: { pathSpecifier: { case: "prefix", value: "/" }, queryParameters: [queryParameter] },
                action: { case: "directResponse", value: { status: 200 } },
              },
            ],
          },
        ],
      } as object);
    const present = { name: "q", queryParameterMatchSpecifier: { case: "presentMatch", value: true } };
    expect(brokenIn(RouteConfigurationSchema, matching(present))).toEqual([]);
    const empty = { name: "q", queryParameterMatchSpecifier: { case: "stringMatch", value: {} } };
    expect(brokenIn(RouteConfigurationSchema, matching(empty)).map(([, rule]) => rule)).toEqual(["oneof.required"]);
  });
});

describe("any message of Envoy's", () => {
  it("is judged, and judged the same after a journey over the wire", () => {
    fc.assert(
      fc.property(fc.nat(encodable.length - 1), fc.array(fc.nat(1000), { maxLength: 50 }), (index, numbers) => {
        const type = encodable[index] as DescMessage;
        const message = arbitraryMessage(type, new Decisions(numbers), encodable);
        const result = validator.validate(type, message);
        expect(validator.validate(type, fromBinary(type, toBinary(type, message)))).toEqual(result);
        for (const { path, rule, message: text } of result.ok ? [] : result.violations) {
          expect([path, rule, text].every((part) => part.length > 0 && part.length < 2000)).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });
});
