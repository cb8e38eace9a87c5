// SPDX-License-Identifier: Apache-2.0
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  NodeSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from "@ambientmesh/api/discovery";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { Client, Metadata, credentials, type ClientDuplexStream } from "@grpc/grpc-js";

/**
 * Sends exactly what Istio's ztunnel (1.31) sends, written from its description and not from our client: delta only,
 * types in order with node and known versions, ACK and NACK without node, "*" subscribed and unsubscribed for
 * on-demand, demands released by the exact name only.
 */
export class ZtunnelLike implements AsyncDisposable {
  readonly #address: string;
  readonly #types: readonly { readonly typeUrl: string; readonly isOnDemand: boolean }[];
  readonly #known = new Map<string, Map<string, string>>();
  readonly #state = new Map<string, Map<string, string>>();
  readonly #demands = new Map<string, () => void>();
  readonly #acked = new Set<string>();
  readonly #ready = Promise.withResolvers<void>();
  /** Type URLs of the responses, in order. */
  readonly received: string[] = [];
  #client: Client | undefined;
  #stream: ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse> | undefined;

  constructor(address: string, types: readonly { readonly typeUrl: string; readonly isOnDemand: boolean }[]) {
    this.#address = address;
    this.#types = types;
    for (const { typeUrl } of types) {
      this.#known.set(typeUrl, new Map());
      this.#state.set(typeUrl, new Map());
    }
  }

  /** All types that are not on-demand were acknowledged once. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  texts(typeUrl: string): ReadonlyMap<string, string> {
    return this.#state.get(typeUrl) ?? new Map();
  }

  connect(): void {
    this.#client = new Client(this.#address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer token");
    metadata.set("clusterid", "Kubernetes");
    this.#stream = this.#client.makeBidiStreamRequest(
      "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
      (message: DeltaDiscoveryRequest) => Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message)),
      (bytes: Buffer) => fromBinary(DeltaDiscoveryResponseSchema, bytes),
      metadata,
    );
    // How the stream ends is seen by what the test expects of the next one.
    this.#stream.on("error", () => {});
    this.#stream.on("data", (response: DeltaDiscoveryResponse) => this.#handle(response));
    const node = create(NodeSchema, {
      id: "ztunnel~10.0.0.9~ztunnel-x.istio-system~istio-system.svc.cluster.local",
      metadata: { NAME: "ztunnel-x", NAMESPACE: "istio-system", INSTANCE_IPS: "10.0.0.9", NODE_NAME: "node-x" },
    });
    for (const { typeUrl, isOnDemand } of this.#types) {
      const versions = Object.fromEntries(this.#known.get(typeUrl) ?? []);
      const star = isOnDemand ? ["*"] : [];
      this.#send({
        typeUrl,
        node,
        initialResourceVersions: versions,
        resourceNamesSubscribe: star,
        resourceNamesUnsubscribe: star,
      });
    }
  }

  disconnect(): void {
    this.#stream?.cancel();
    this.#client?.close();
  }

  /** Resolves when a resource or a removal of exactly this name comes. */
  demand(typeUrl: string, name: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#demands.set(name, resolve);
    this.#known.get(typeUrl)?.set(name, "");
    this.#send({ typeUrl, resourceNamesSubscribe: [name] });
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disconnect();
  }

  #send(init: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void {
    this.#stream?.write(create(DeltaDiscoveryRequestSchema, init));
  }

  #handle({ typeUrl, nonce, resources, removedResources }: DeltaDiscoveryResponse): void {
    this.received.push(typeUrl);
    const [known, state] = [this.#known.get(typeUrl), this.#state.get(typeUrl)];
    if (!known || !state) {
      this.#send({ typeUrl, responseNonce: nonce });
      return;
    }
    const rejects: string[] = [];
    for (const { name, version, resource } of resources) {
      const value = Buffer.from(resource?.value ?? []).toString();
      if (value.startsWith("bad")) {
        rejects.push(`${name}: can't use ${value}`);
        continue;
      }
      known.set(name, version);
      state.set(name, value);
      this.#demands.get(name)?.();
    }
    for (const name of removedResources) {
      known.delete(name);
      state.delete(name);
      this.#demands.get(name)?.();
    }
    if (rejects.length === 0) {
      this.#send({ typeUrl, responseNonce: nonce });
      this.#acked.add(typeUrl);
      if (this.#types.every((type) => type.isOnDemand || this.#acked.has(type.typeUrl))) this.#ready.resolve();
    } else {
      this.#send({ typeUrl, responseNonce: nonce, errorDetail: { message: rejects.join("; ") } });
    }
  }
}
