// SPDX-License-Identifier: Apache-2.0
//
// Time of one validation, and of what programs pay before the first. Run from the repository's root, on an idle machine:
//   node --conditions=@ambientmesh/source packages/api/bench/validate.bench.ts
import { type DescMessage, type MessageShape, create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@ambientmesh/api/validate";

const ROUNDS = 7;
const CALLS = 20_000;

/** CPU time, so that other programs on the machine count less. */
function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function measure(name: string, calls: number, call: () => unknown): void {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const started = cpuMicros();
    for (let at = 0; at < calls; at++) call();
    times.push((cpuMicros() - started) / calls);
  }
  times.sort((a, b) => a - b);
  console.log(
    `${name}: ${times[ROUNDS >> 1]?.toFixed(1)} µs (median of ${ROUNDS} rounds, best ${times[0]?.toFixed(1)})`,
  );
}

const loading = cpuMicros();
const { ClusterSchema } = await import("@ambientmesh/api/envoy/cluster");
const { ListenerSchema } = await import("@ambientmesh/api/envoy/listener");
const { httpConnectionManager } = await import("@ambientmesh/api/envoy/network-filters");
const { envoyRegistry } = await import("@ambientmesh/api/envoy");
console.log(`loading all of Envoy's messages: ${((cpuMicros() - loading) / 1000).toFixed(0)} ms`);

const endpoint = (at: number) => ({
  hostIdentifier: {
    case: "endpoint" as const,
    value: {
      address: {
        address: {
          case: "socketAddress" as const,
          value: { address: `10.0.0.${at}`, portSpecifier: { case: "portValue" as const, value: 8080 } },
        },
      },
    },
  },
  loadBalancingWeight: 1,
});
const cluster = create(ClusterSchema, {
  name: "outbound|80||shop.example",
  connectTimeout: { seconds: 5n },
  loadAssignment: {
    clusterName: "outbound|80||shop.example",
    endpoints: [{ priority: 1, lbEndpoints: Array.from({ length: 5 }, (_, at) => endpoint(at)) }],
  },
  circuitBreakers: { thresholds: [{ maxConnections: 100, maxRetries: 3 }] },
  outlierDetection: { consecutive5xx: 5, interval: { seconds: 10n } },
});
const manager = create(httpConnectionManager.HttpConnectionManagerSchema, {
  statPrefix: "inbound",
  routeSpecifier: {
    case: "routeConfig",
    value: {
      virtualHosts: Array.from({ length: 10 }, (_, at) => ({
        name: `shop-${at}`,
        domains: [`shop-${at}.example`, `shop-${at}.example:80`],
        routes: [
          {
            match: { pathSpecifier: { case: "pathSeparatedPrefix" as const, value: "/shop/items" } },
            action: {
              case: "route" as const,
              value: { clusterSpecifier: { case: "cluster" as const, value: "outbound|80||shop.example" } },
            },
          },
        ],
      })),
    },
  },
});
const typedConfig = anyPack(httpConnectionManager.HttpConnectionManagerSchema, manager);
const listener = create(ListenerSchema, {
  name: "inbound",
  filterChains: [{ filters: [{ name: "http", configType: { case: "typedConfig", value: typedConfig } }] }],
});

const validator = createValidator();
const looking = createValidator({ registry: envoyRegistry });
function expectValid<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): void {
  const result = looking.validate(schema, message);
  if (!result.ok) throw new Error(JSON.stringify(result.violations));
}
expectValid(ClusterSchema, cluster);
expectValid(ListenerSchema, listener);

measure("compiling Cluster and all that it uses", 20, () => createValidator().validate(ClusterSchema, cluster));
measure("a cluster with 5 endpoints", CALLS, () => validator.validate(ClusterSchema, cluster));
measure("a connection manager with 10 routes", CALLS, () =>
  validator.validate(httpConnectionManager.HttpConnectionManagerSchema, manager),
);
measure("the same in the Any of a listener, decoded", CALLS / 10, () => looking.validate(ListenerSchema, listener));
measure("an empty cluster, one violation", CALLS, () => validator.validate(ClusterSchema, create(ClusterSchema)));
