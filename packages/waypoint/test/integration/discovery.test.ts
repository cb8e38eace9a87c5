// SPDX-License-Identifier: Apache-2.0
import { createServer, type AddressInfo } from "node:net";
import { createServer as createApp } from "node:http";
import { once } from "node:events";
import { CLUSTER_TYPE_URL, ClusterSchema } from "@ambientmesh/api/envoy/cluster";
import { ClusterLoadAssignmentSchema, ENDPOINT_TYPE_URL } from "@ambientmesh/api/envoy/endpoint";
import { LISTENER_TYPE_URL, ListenerSchema } from "@ambientmesh/api/envoy/listener";
import { ROUTE_TYPE_URL, RouteConfigurationSchema } from "@ambientmesh/api/envoy/route";
import { envoyRegistry } from "@ambientmesh/api/envoy";
import { systemClock as clock } from "@ambientmesh/core";
import { fromJson, toBinary, type DescMessage, type JsonValue } from "@bufbuild/protobuf";
import { GrpcListener, ResourceCache, XdsServer, serveXds } from "@ambientmesh/xds";
import { afterEach, expect, test } from "vitest";
import { parseBootstrap, startWaypoint, type Waypoint } from "../../src/index.ts";
import { listenerOf } from "../fixtures.ts";

let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const SCHEMAS: readonly (readonly [string, DescMessage])[] = [
  [CLUSTER_TYPE_URL, ClusterSchema],
  [ENDPOINT_TYPE_URL, ClusterLoadAssignmentSchema],
  [LISTENER_TYPE_URL, ListenerSchema],
  [ROUTE_TYPE_URL, RouteConfigurationSchema],
];

interface ControlPlane {
  readonly port: number;
  readonly set: (typeUrl: string, name: string, resource: object) => void;
  readonly remove: (typeUrl: string, name: string) => void;
  readonly nacks: () => readonly string[];
}

async function controlPlane(): Promise<ControlPlane> {
  const cache = stack.use(new ResourceCache({ clock }));
  const types = SCHEMAS.map(([typeUrl]) => ({ typeUrl, source: cache.store(typeUrl) }));
  const server = stack.use(new XdsServer({ clock }, { types }));
  const listener = stack.use(new GrpcListener({ clock }, { host: "127.0.0.1", port: 0 }));
  serveXds(server, listener, () => ({ outcome: "authenticated", identity: "anybody" }));
  await listener.start();
  server.markReady();
  return {
    port: listener.address?.port ?? 0,
    set: (typeUrl, name, resource) => {
      const [, schema = ClusterSchema] = SCHEMAS.find(([url]) => url === typeUrl) ?? [];
      const message = fromJson(schema, JSON.parse(JSON.stringify(resource)) as JsonValue, { registry: envoyRegistry });
      cache.store(typeUrl).set({ name, value: toBinary(schema, message) });
      cache.flush();
    },
    remove: (typeUrl, name) => {
      cache.store(typeUrl).delete(name);
      cache.flush();
    },
    nacks: () => server.clients().flatMap(({ types: all }) => all.flatMap((type) => type.lastNack?.message ?? [])),
  };
}

async function app(name: string): Promise<number> {
  const server = createApp((_request, response) => response.end(name)).listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const ads = { ads: {}, resource_api_version: "V3" };

function cluster(more: object = {}): object {
  return { name: "app", type: "EDS", eds_cluster_config: { eds_config: ads, service_name: "app-endpoints" }, ...more };
}

function endpoints(port: number): object {
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return { cluster_name: "app-endpoints", endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
}

const routes = (route: object = { cluster: "app" }): object => ({
  name: "routes",
  virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route }] }],
});

function listener(port: number): object {
  const rds = { config_source: ads, route_config_name: "routes" };
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return { ...listenerOf([], { route_config: undefined, rds }), address };
}

async function start(port: number): Promise<Waypoint> {
  const bootstrap = {
    node: { id: "waypoint~10.0.0.1~w.default~default.svc.cluster.local" },
    dynamic_resources: {
      ads_config: { api_type: "DELTA_GRPC", grpc_services: [{ envoy_grpc: { cluster_name: "xds-grpc" } }] },
      cds_config: ads,
      lds_config: ads,
    },
    static_resources: {
      clusters: [
        { name: "xds-grpc", type: "STATIC", load_assignment: { ...endpoints(port), cluster_name: "xds-grpc" } },
      ],
    },
  };
  return stack.use(await startWaypoint(parseBootstrap(JSON.stringify(bootstrap), "test"), {}, { drainMs: 50 }));
}

const answer = async (port: number): Promise<string> =>
  fetch(`http://127.0.0.1:${port}/`).then(
    async (response) => `${response.status} ${await response.text()}`,
    () => "no connection",
  );

test("a control plane's resources are followed, and a change never fails a request", async () => {
  const [one, two, port] = await Promise.all([app("one"), app("two"), freePort()]);
  const plane = await controlPlane();
  plane.set(CLUSTER_TYPE_URL, "app", cluster());
  plane.set(ENDPOINT_TYPE_URL, "app-endpoints", endpoints(one));
  plane.set(LISTENER_TYPE_URL, "main", listener(port));
  await start(plane.port);
  // Not bound before its routes are here.
  expect(await answer(port)).toBe("no connection");
  plane.set(ROUTE_TYPE_URL, "routes", routes());
  await expect.poll(() => answer(port)).toBe("200 one");

  const seen = new Set<string>();
  const until = async (wanted: string): Promise<void> => {
    for (let last = ""; last !== wanted; seen.add(last)) last = await answer(port);
  };
  plane.set(ENDPOINT_TYPE_URL, "app-endpoints", endpoints(two));
  await until("200 two");
  plane.set(CLUSTER_TYPE_URL, "app", cluster({ connect_timeout: "3s" }));
  plane.set(ENDPOINT_TYPE_URL, "app-endpoints", endpoints(one));
  await until("200 one");
  expect(seen).toEqual(new Set(["200 one", "200 two"]));

  plane.remove(LISTENER_TYPE_URL, "main");
  await expect.poll(() => answer(port)).toBe("no connection");
});

test("a resource that is not supported is rejected with the path of the field, and the last good one stays", async () => {
  const [one, port] = await Promise.all([app("one"), freePort()]);
  const plane = await controlPlane();
  plane.set(CLUSTER_TYPE_URL, "app", cluster());
  plane.set(ENDPOINT_TYPE_URL, "app-endpoints", endpoints(one));
  plane.set(LISTENER_TYPE_URL, "main", listener(port));
  plane.set(ROUTE_TYPE_URL, "routes", routes());
  await start(plane.port);
  await expect.poll(() => answer(port)).toBe("200 one");
  plane.set(ROUTE_TYPE_URL, "routes", routes({ cluster: "app", hedge_policy: { hedge_on_per_try_timeout: true } }));
  plane.set(CLUSTER_TYPE_URL, "app", cluster({ lb_policy: "MAGLEV" }));
  await expect
    .poll(() => plane.nacks().join("\n"))
    .toMatch(/virtual_hosts\[0\]\.routes\[0\]\.route\.hedge_policy is not supported/);
  await expect.poll(() => plane.nacks().join("\n")).toMatch(/app: lb_policy/);
  expect(await answer(port)).toBe("200 one");
});
