// SPDX-License-Identifier: Apache-2.0
// Feeds an unmodified gRPC client (Google's @grpc/grpc-js-xds) with the endpoints of a service, and moves them while it runs.
//
//     node grpc-xds-server.ts
//
import { Client, Metadata, Server, ServerCredentials, credentials } from "@grpc/grpc-js";
import { create, toBinary, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { ClusterSchema, Cluster_DiscoveryType } from "@ambientmesh/api/envoy/cluster";
import { ClusterLoadAssignmentSchema } from "@ambientmesh/api/envoy/endpoint";
import { router } from "@ambientmesh/api/envoy/http-filters";
import { ListenerSchema } from "@ambientmesh/api/envoy/listener";
import { httpConnectionManager } from "@ambientmesh/api/envoy/network-filters";
import { RouteConfigurationSchema } from "@ambientmesh/api/envoy/route";
import { systemClock as clock } from "@ambientmesh/core";
import { GrpcListener, ResourceCache, XdsServer, serveXds } from "@ambientmesh/xds";

// A discovery server for four types.
const SCHEMAS = [ListenerSchema, RouteConfigurationSchema, ClusterSchema, ClusterLoadAssignmentSchema];
const typeUrlOf = ({ typeName }: DescMessage): string => `type.googleapis.com/${typeName}`;
using cache = new ResourceCache({ clock });
const types = SCHEMAS.map(typeUrlOf).map((typeUrl) => ({ typeUrl, source: cache.store(typeUrl) }));
await using server = new XdsServer({ clock }, { types });
await using listener = new GrpcListener({ clock }, { host: "127.0.0.1", port: 0, drainMs: 100 });
serveXds(server, listener, () => ({ outcome: "authenticated", identity: "anybody" }));
await listener.start();

/** Encodes a resource and offers it under its name; clients are told when the cache is flushed. */
function offer<Schema extends DescMessage>(schema: Schema, name: string, value: MessageInitShape<Schema>): void {
  cache.store(typeUrlOf(schema)).set({ name, value: toBinary(schema, create(schema, value)) });
}

const ads = { configSourceSpecifier: { case: "ads", value: {} } } as const;
const { HttpConnectionManagerSchema } = httpConnectionManager;
const manager = create(HttpConnectionManagerSchema, {
  routeSpecifier: { case: "rds", value: { routeConfigName: "routes", configSource: ads } },
  httpFilters: [
    {
      name: "router",
      configType: { case: "typedConfig", value: anyPack(router.RouterSchema, create(router.RouterSchema)) },
    },
  ],
});
offer(ListenerSchema, "greeter", {
  name: "greeter",
  apiListener: { apiListener: anyPack(HttpConnectionManagerSchema, manager) },
});
offer(RouteConfigurationSchema, "routes", {
  name: "routes",
  virtualHosts: [
    {
      name: "all",
      domains: ["*"],
      routes: [
        {
          match: { pathSpecifier: { case: "prefix", value: "" } },
          action: { case: "route", value: { clusterSpecifier: { case: "cluster", value: "greeters" } } },
        },
      ],
    },
  ],
});
offer(ClusterSchema, "greeters", {
  name: "greeters",
  clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
  edsClusterConfig: { edsConfig: ads },
});

function offerEndpoint(port: number): void {
  const address = {
    address: {
      case: "socketAddress",
      value: { address: "127.0.0.1", portSpecifier: { case: "portValue", value: port } },
    },
  } as const;
  const lbEndpoints = [{ hostIdentifier: { case: "endpoint", value: { address } }, loadBalancingWeight: 1 }] as const;
  offer(ClusterLoadAssignmentSchema, "greeters", {
    clusterName: "greeters",
    endpoints: [{ locality: { region: "here" }, loadBalancingWeight: 1, lbEndpoints: [...lbEndpoints] }],
  });
  cache.flush();
}

// Two backends, and a client that knows neither.
const GREET = "/example.Greeter/Greet";
const asIs = (bytes: Buffer): Buffer => bytes;
async function startBackend(greeting: string): Promise<{ port: number; stop: () => void }> {
  const backend = new Server();
  const definition = { path: GREET, requestStream: false, responseStream: false } as const;
  const codecs = {
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
  const greet = (_call: unknown, done: (error: null, answer: Buffer) => void): void =>
    done(null, Buffer.from(greeting));
  backend.addService({ greet: { ...definition, ...codecs } }, { greet });
  const bound = Promise.withResolvers<number>();
  backend.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
    error ? bound.reject(error) : bound.resolve(port),
  );
  return { port: await bound.promise, stop: () => backend.forceShutdown() };
}
const backends = [await startBackend("hello from the first"), await startBackend("hello from the second")];
offerEndpoint(backends[0]?.port ?? 0);
server.markReady();

process.env["GRPC_XDS_BOOTSTRAP_CONFIG"] = JSON.stringify({
  node: { id: "example", locality: { region: "here" } },
  xds_servers: [
    {
      server_uri: `127.0.0.1:${listener.address?.port}`,
      channel_creds: [{ type: "insecure" }],
      server_features: ["xds_v3"],
    },
  ],
});
(await import("@grpc/grpc-js-xds")).register();
const client = new Client("xds:///greeter", credentials.createInsecure());

function greet(): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const metadata = new Metadata({ waitForReady: true });
  client.makeUnaryRequest(GREET, asIs, asIs, Buffer.alloc(0), metadata, (error, answer) =>
    error ? reject(error) : resolve(String(answer)),
  );
  return promise;
}

const first = await greet();
console.log(first); // hello from the first
offerEndpoint(backends[1]?.port ?? 0);
let answer = first;
while (answer === first) answer = await greet();
console.log(answer); // hello from the second

client.close();
for (const backend of backends) backend.stop();
