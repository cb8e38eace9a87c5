// SPDX-License-Identifier: Apache-2.0
import { create, fromBinary, type JsonObject } from "@bufbuild/protobuf";
import { IstioCertificateRequestSchema } from "@ambientmesh/api/ca";
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from "@ambientmesh/api/discovery";
import { AUTHORIZATION_TYPE_URL, AuthorizationSchema, type Authorization } from "@ambientmesh/api/security";
import { ADDRESS_TYPE_URL, AddressSchema, type Address } from "@ambientmesh/api/workload";
import { certificateServiceDefinition } from "@ambientmesh/ca/service";
import { createCsr, type SpiffeId } from "@ambientmesh/spiffe";
import { DELTA_METHOD } from "@ambientmesh/xds";
import { ChannelCredentials, Client, Metadata, type ClientDuplexStream, type ServiceError } from "@grpc/grpc-js";
import { vi } from "vitest";

export interface ZtunnelOptions {
  /** "host:port". */
  readonly address: string;
  /** Without: plaintext. */
  readonly rootPem?: string;
  /** Shows a client certificate, which Istio's ztunnel doesn't. */
  readonly identity?: { readonly key: string; readonly certificates: string };
  readonly token?: string;
  readonly clusterId?: string;
  /** Changes to what a ztunnel says about itself. */
  readonly node?: { readonly id?: string; readonly metadata?: JsonObject };
  /** name to version by type, as after a reconnect. */
  readonly claims?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const NODE_ID = "ztunnel~10.0.0.9~ztunnel-n1.istio-system~istio-system.svc.cluster.local";
const METADATA: JsonObject = {
  NAME: "ztunnel-n1",
  NAMESPACE: "istio-system",
  INSTANCE_IPS: "10.0.0.9",
  NODE_NAME: "n1",
};

/** Speaks to istiod byte for byte as Istio's ztunnel does: two wildcard subscriptions on one delta stream, all acknowledged. */
export class TestZtunnel implements Disposable {
  readonly addresses = new Map<string, Address>();
  readonly authorizations = new Map<string, Authorization>();
  /** By type: the versions of what is there, to be claimed at a reconnect. */
  readonly versions: Record<string, Record<string, string>> = { [ADDRESS_TYPE_URL]: {}, [AUTHORIZATION_TYPE_URL]: {} };
  readonly responses: DeltaDiscoveryResponse[] = [];
  status: ServiceError | undefined;
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

  constructor(options: ZtunnelOptions) {
    this.#client = clientOf(options);
    this.#stream = this.#client.makeBidiStreamRequest(
      DELTA_METHOD.path,
      DELTA_METHOD.encodeRequest,
      DELTA_METHOD.decodeResponse,
      metadataOf(options),
    );
    this.#stream.on("data", (response: DeltaDiscoveryResponse) => this.#receive(response));
    this.#stream.on("error", (error: ServiceError) => {
      this.status = error;
    });
    const node = { id: NODE_ID, metadata: METADATA, ...options.node };
    for (const typeUrl of [ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL]) {
      const initialResourceVersions = { ...options.claims?.[typeUrl] };
      this.#stream.write(create(DeltaDiscoveryRequestSchema, { typeUrl, node, initialResourceVersions }));
    }
  }

  /** Both types were answered at least once. */
  synced(): Promise<void> {
    return this.until(() => new Set(this.responses.map(({ typeUrl }) => typeUrl)).size === 2);
  }

  /** Waits for a state; fails when the stream has ended instead. */
  until(condition: () => boolean, timeout = 10_000): Promise<void> {
    return vi.waitFor(
      () => {
        if (this.status) throw new Error(`the stream ended: ${this.status.message}`);
        if (!condition()) throw new Error(`not yet: ${condition.toString()}`);
      },
      { timeout, interval: 5 },
    );
  }

  /** Waits for istiod to end the stream; gives its status. */
  ended(): Promise<ServiceError> {
    return vi.waitFor(
      () => {
        if (!this.status) throw new Error("the stream is still open");
        return this.status;
      },
      { timeout: 10_000, interval: 5 },
    );
  }

  [Symbol.dispose](): void {
    this.#stream.cancel();
    this.#client.close();
  }

  #receive(response: DeltaDiscoveryResponse): void {
    this.responses.push(response);
    const { typeUrl, nonce, resources, removedResources } = response;
    const versions = this.versions[typeUrl] ?? {};
    for (const { name, version, resource } of resources) {
      versions[name] = version;
      if (typeUrl === ADDRESS_TYPE_URL && resource) this.addresses.set(name, fromBinary(AddressSchema, resource.value));
      if (typeUrl === AUTHORIZATION_TYPE_URL && resource) {
        this.authorizations.set(name, fromBinary(AuthorizationSchema, resource.value));
      }
    }
    for (const name of removedResources) {
      delete versions[name];
      this.addresses.delete(name);
      this.authorizations.delete(name);
    }
    this.#stream.write(create(DeltaDiscoveryRequestSchema, { typeUrl, responseNonce: nonce }));
  }
}

export interface CertificateOptions extends ZtunnelOptions {
  /** Named in the CSR, as ztunnel does. */
  readonly id: SpiffeId;
  /** Asked for in the request's metadata; absent: for the caller itself. */
  readonly impersonate?: string;
  readonly validitySeconds?: number;
}

/** Asks for a certificate as ztunnel does; rejects with the status. */
export async function requestCertificate(options: CertificateOptions) {
  const { csrPem, privateKey } = await createCsr({ id: options.id });
  const client = clientOf(options);
  const { path, requestSerialize, responseDeserialize } = certificateServiceDefinition.createCertificate;
  const request = create(IstioCertificateRequestSchema, {
    csr: csrPem,
    validityDuration: BigInt(options.validitySeconds ?? 86_400),
    ...(options.impersonate !== undefined && { metadata: { ImpersonatedIdentity: options.impersonate } }),
  });
  try {
    const chain = await new Promise<readonly string[]>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadataOf(options),
        (error, answer) => {
          if (error) reject(error);
          else resolve(answer?.certChain ?? []);
        },
      );
    });
    return { chain, privateKey };
  } finally {
    client.close();
  }
}

function clientOf({ address, rootPem, identity }: ZtunnelOptions): Client {
  const buffer = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  const credentials =
    rootPem === undefined
      ? ChannelCredentials.createInsecure()
      : ChannelCredentials.createSsl(buffer(rootPem), buffer(identity?.key), buffer(identity?.certificates));
  const name = "istiod.istio-system.svc";
  return new Client(address, credentials, {
    ...(rootPem !== undefined && { "grpc.ssl_target_name_override": name, "grpc.default_authority": name }),
    "grpc.max_receive_message_length": 200 * 1024 * 1024,
  });
}

function metadataOf({ token, clusterId = "Kubernetes" }: ZtunnelOptions): Metadata {
  const metadata = new Metadata();
  if (token !== undefined) metadata.set("authorization", `Bearer ${token}`);
  metadata.set("clusterid", clusterId);
  return metadata;
}
