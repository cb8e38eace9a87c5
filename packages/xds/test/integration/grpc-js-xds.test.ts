// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "@ambientmesh/core";
import { Client, Metadata, credentials, type sendUnaryData } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import { GrpcListener, ResourceCache, type ResourceStore } from "../../src/index.ts";
import { ECHO, callEcho } from "../support/echo.ts";
import {
  CLUSTER,
  ENDPOINTS,
  LISTENER,
  ROUTE,
  cluster,
  endpoints,
  listener,
  route,
  typeUrlOf,
} from "../support/envoy-resources.ts";
import { SocketServer } from "../support/sockets.ts";

async function backend(name: string): Promise<GrpcListener> {
  const server = new GrpcListener({ clock: systemClock }, { host: "127.0.0.1", port: 0, drainMs: 100 });
  server.addService(ECHO, { echo: (_: unknown, done: sendUnaryData<Buffer>) => done(null, Buffer.from(name)) });
  await server.start();
  return server;
}

async function ask(client: Client): Promise<string> {
  return (await callEcho(client, Buffer.alloc(0), new Metadata({ waitForReady: true }))).toString();
}

// Google's own xDS client for Node, which speaks state of the world: listener, routes, cluster and endpoints in turn.
it("grpc-js-xds finds its backends through us, and follows them when they move", async () => {
  await using first = await backend("first");
  await using second = await backend("second");
  const cache = new ResourceCache({ clock: systemClock }, { quietMs: 0 });
  const types = [CLUSTER, ENDPOINTS, LISTENER, ROUTE].map(typeUrlOf);
  await using server = await SocketServer.start({
    cache,
    server: { types: types.map((typeUrl) => ({ typeUrl, source: cache.store(typeUrl) })) },
  });
  const store = (type: string): ResourceStore => cache.store(typeUrlOf(type));
  store(LISTENER).set(listener("echo", "echo-routes"));
  store(ROUTE).set(route("echo-routes", "echo-cluster"));
  store(CLUSTER).set(cluster("echo-cluster"));
  store(ENDPOINTS).set(endpoints("echo-cluster", [first.address?.port ?? 0]));
  cache.flush();
  process.env["GRPC_XDS_BOOTSTRAP_CONFIG"] = JSON.stringify({
    node: { id: "grpc-js-xds", locality: { region: "r", zone: "z" } },
    xds_servers: [{ server_uri: server.address, channel_creds: [{ type: "insecure" }], server_features: ["xds_v3"] }],
  });
  const { register } = await import("@grpc/grpc-js-xds");
  register();
  const client = new Client("xds:///echo", credentials.createInsecure());
  try {
    expect(await ask(client)).toBe("first");
    store(ENDPOINTS).set(endpoints("echo-cluster", [second.address?.port ?? 0]));
    for (let answer = ""; answer !== "second";) answer = await ask(client);
    const [status] = server.server.clients();
    expect(status?.client).toMatchObject({ protocol: "sotw", node: { id: "grpc-js-xds" } });
    expect(status?.types.map(({ lastNack }) => lastNack)).toEqual([undefined, undefined, undefined, undefined]);
    expect(status?.types.every(({ outstanding }) => outstanding === 0)).toBe(true);
  } finally {
    client.close();
  }
});
