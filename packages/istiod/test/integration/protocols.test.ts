// SPDX-License-Identifier: Apache-2.0
import { create, fromBinary } from "@bufbuild/protobuf";
import {
  DeltaDiscoveryRequestSchema,
  DiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  type DiscoveryResponse,
} from "@ambientmesh/api/discovery";
import { ADDRESS_TYPE_URL, AddressSchema } from "@ambientmesh/api/workload";
import { DELTA_METHOD, SOTW_METHOD, type XdsMethod } from "@ambientmesh/xds";
import { ChannelCredentials, Client, Metadata, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import {
  applyYaml,
  namespaceYaml,
  podYaml,
  startIstiod,
  startKube,
  type TestIstiod,
  type TestKube,
} from "../support/mesh.ts";

let kube: TestKube;
let istiod: TestIstiod;

beforeAll(async () => {
  kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("shop", "default"));
  await applyYaml(kube.client, podYaml({ name: "near", node: "n1", ip: "10.0.0.1" }));
  await applyYaml(kube.client, podYaml({ name: "far", node: "n2", ip: "10.0.0.2", labels: "app: far" }));
  await applyYaml(
    kube.client,
    `
apiVersion: v1
kind: Service
metadata: { name: far, namespace: shop }
spec: { clusterIP: 10.96.0.10, selector: { app: far }, ports: [{ port: 80 }] }
`,
  );
  istiod = await startIstiod(kube.client);
});

afterAll(async () => {
  await istiod?.[Symbol.asyncDispose]();
  await kube?.[Symbol.asyncDispose]();
});

const node = {
  id: "ztunnel~10.0.0.9~z.istio-system~istio-system.svc.cluster.local",
  metadata: { NAMESPACE: "istio-system", NODE_NAME: "n1" },
};

/** A stream whose answers are kept; the client says nothing by itself. */
function open<Request, Response>(method: XdsMethod<Request, Response>) {
  const client = new Client(istiod.address.grpc, ChannelCredentials.createInsecure());
  const stream = client.makeBidiStreamRequest(method.path, method.encodeRequest, method.decodeResponse, new Metadata());
  const responses: Response[] = [];
  stream.on("data", (response: Response) => void responses.push(response));
  stream.on("error", (_error: ServiceError) => undefined);
  return {
    responses,
    send: (request: Request) => stream.write(request),
    next: (count: number) => vi.waitFor(() => expect(responses).toHaveLength(count), { timeout: 5000, interval: 5 }),
    [Symbol.dispose]: () => {
      stream.cancel();
      client.close();
    },
  };
}

it("tells everything each time to a client of the state-of-the-world protocol", async () => {
  using stream = open(SOTW_METHOD);
  const request = { node, typeUrl: ADDRESS_TYPE_URL };
  stream.send(create(DiscoveryRequestSchema, request));
  await stream.next(1);
  const [first] = stream.responses as [DiscoveryResponse];
  const names = first.resources
    .map(({ value }) => fromBinary(AddressSchema, value).type.value?.name)
    .sort((a = "", b = "") => (a < b ? -1 : 1));
  expect(names).toEqual(["far", "far", "near"]);
  stream.send(
    create(DiscoveryRequestSchema, { ...request, versionInfo: first.versionInfo, responseNonce: first.nonce }),
  );
  await applyYaml(kube.client, podYaml({ name: "new", ip: "10.0.0.3" }));
  await stream.next(2);
  expect(stream.responses[1]?.resources).toHaveLength(4);
});

it("gives a client that asks by name its own node, and a service with its workloads", async () => {
  using stream = open(DELTA_METHOD);
  const ask = (change: object): void => {
    stream.send(create(DeltaDiscoveryRequestSchema, { typeUrl: ADDRESS_TYPE_URL, ...change }));
  };
  const namesOf = (response: DeltaDiscoveryResponse | undefined): string[] =>
    (response?.resources ?? []).map(({ name }) => name).toSorted((a, b) => (a < b ? -1 : 1));
  ask({ node, resourceNamesSubscribe: ["*"], resourceNamesUnsubscribe: ["*"] });
  await stream.next(1);
  expect(namesOf(stream.responses[0])).toContain("Kubernetes//Pod/shop/near");
  expect(namesOf(stream.responses[0])).not.toContain("Kubernetes//Pod/shop/far");
  ask({ resourceNamesSubscribe: ["/10.96.0.10"] });
  await stream.next(2);
  expect(namesOf(stream.responses[1])).toEqual(["shop/far.shop.svc.cluster.local"]);
  ask({ resourceNamesSubscribe: ["shop/far.shop.svc.cluster.local", "/192.0.2.1"] });
  await stream.next(3);
  expect(namesOf(stream.responses[2])).toContain("Kubernetes//Pod/shop/far");
  expect(stream.responses[2]?.removedResources).toEqual(["/192.0.2.1"]);
});
