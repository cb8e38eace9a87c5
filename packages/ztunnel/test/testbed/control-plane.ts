// SPDX-License-Identifier: Apache-2.0
import { create, toBinary, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { AUTHORIZATION_TYPE_URL, AuthorizationSchema } from "@ambientmesh/api/security";
import { ADDRESS_TYPE_URL, AddressSchema, ServiceSchema, WorkloadSchema } from "@ambientmesh/api/workload";
import {
  IstioCertificateResponseSchema,
  type IstioCertificateRequest,
  type IstioCertificateResponse,
} from "@ambientmesh/api/ca";
import { IMPERSONATED_IDENTITY, certificateServiceDefinition } from "@ambientmesh/ca/service";
import { systemClock } from "@ambientmesh/core";
import { parseSpiffeId } from "@ambientmesh/spiffe";
import { createTestAuthority, type TestAuthority } from "@ambientmesh/testkit";
import { ipFromBytes } from "../../src/net/address.ts";
import { GrpcListener, ResourceStore, XdsServer, fixedTls, serveXds } from "@ambientmesh/xds";

const nodeKey = (node: string): string => `node/${node}`;

type Init<Schema extends DescMessage> = Omit<MessageInitShape<Schema>, "$typeName">;

/** The only token this control plane takes. */
export const TOKEN = "test-token";

type UnaryCall = { readonly request: IstioCertificateRequest; readonly metadata: { get(name: string): unknown[] } };
type UnaryAnswer = (error: Error | null, response?: IstioCertificateResponse) => void;

/** xDS and CA over TLS on loopback, fed by the test. */
export class ControlPlane implements AsyncDisposable {
  readonly authority: TestAuthority;
  /** Identities that certificates were asked for, in order. */
  readonly issued: string[] = [];
  readonly addresses = new ResourceStore(ADDRESS_TYPE_URL);
  readonly policies = new ResourceStore(AUTHORIZATION_TYPE_URL);
  ttlSeconds = 86_400;
  /** Whom a certificate is for that names nobody: of who asks in his own name. */
  ownIdentity: string | undefined;
  /** While false the CA refuses everybody. */
  isIssuing = true;
  #listener: GrpcListener | undefined;
  #server: XdsServer<string> | undefined;
  #port = 0;

  constructor(authority: TestAuthority) {
    this.authority = authority;
  }

  static async start(trustDomain = "cluster.local"): Promise<ControlPlane> {
    const plane = new ControlPlane(await createTestAuthority({ trustDomain }));
    await plane.listen();
    return plane;
  }

  get address(): string {
    return `https://localhost:${this.#port}`;
  }

  get rootsPem(): string {
    return this.authority.authority.rootsPem;
  }

  /** Comes (back) up, on the port it had before. */
  async listen(): Promise<void> {
    const serving = await this.authority.authority.issueServing({ names: ["localhost"] });
    const tls = fixedTls({ key: serving.privateKeyPem, certificates: serving.certificateChainPem });
    const listener = new GrpcListener({ clock: systemClock }, { host: "127.0.0.1", port: this.#port, tls, drainMs: 0 });
    const server = new XdsServer<string>(
      { clock: systemClock },
      {
        types: [
          {
            typeUrl: ADDRESS_TYPE_URL,
            source: this.addresses,
            implicitNames: ({ node }) => {
              const name = node.metadata?.["NODE_NAME"];
              return typeof name === "string" ? [nodeKey(name)] : [];
            },
          },
          { typeUrl: AUTHORIZATION_TYPE_URL, source: this.policies },
        ],
      },
    );
    serveXds(server, listener, (call) =>
      call.metadata("authorization") === `Bearer ${TOKEN}`
        ? { outcome: "authenticated", identity: "ztunnel" }
        : { outcome: "refused", reason: "wrong token" },
    );
    listener.addService(certificateServiceDefinition, {
      createCertificate: (call: UnaryCall, answer: UnaryAnswer) => void this.#issue(call, answer),
    });
    server.markReady();
    await listener.start();
    this.#port = listener.address?.port ?? 0;
    this.#listener = listener;
    this.#server = server;
  }

  /** Dies; what it published is kept for when it is back. */
  async kill(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    await this.#listener?.[Symbol.asyncDispose]();
  }

  publishWorkload(workload: Init<typeof WorkloadSchema> & { readonly uid: string }): void {
    const address = create(AddressSchema, { type: { case: "workload", value: create(WorkloadSchema, workload) } });
    const { addresses = [], network = "", node = "" } = workload;
    this.addresses.set({
      name: workload.uid,
      value: toBinary(AddressSchema, address),
      aliases: addresses.map((bytes) => `${network}/${ipFromBytes(bytes)}`),
      keys: [nodeKey(node), ...Object.keys(workload.services ?? {})],
    });
    this.addresses.publish();
  }

  publishService(
    service: Init<typeof ServiceSchema> & { readonly namespace: string; readonly hostname: string },
  ): void {
    const address = create(AddressSchema, { type: { case: "service", value: create(ServiceSchema, service) } });
    this.addresses.set({
      name: `${service.namespace}/${service.hostname}`,
      value: toBinary(AddressSchema, address),
      aliases: (service.addresses ?? []).map(
        ({ network = "", address: bytes = new Uint8Array() }) => `${network}/${ipFromBytes(bytes)}`,
      ),
    });
    this.addresses.publish();
  }

  publishPolicy(
    policy: Init<typeof AuthorizationSchema> & { readonly namespace: string; readonly name: string },
  ): void {
    const value = toBinary(AuthorizationSchema, create(AuthorizationSchema, policy));
    this.policies.set({ name: `${policy.namespace}/${policy.name}`, value });
    this.policies.publish();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #issue({ request, metadata }: UnaryCall, answer: UnaryAnswer): Promise<void> {
    try {
      const id = request.metadata?.[IMPERSONATED_IDENTITY] ?? this.ownIdentity;
      if (!this.isIssuing || metadata.get("authorization")[0] !== `Bearer ${TOKEN}` || typeof id !== "string") {
        throw new Error("refused");
      }
      this.issued.push(id);
      const { chain } = await this.authority.authority.sign({
        csrPem: request.csr,
        id: parseSpiffeId(id),
        ttlSeconds: Math.min(Number(request.validityDuration), this.ttlSeconds),
      });
      answer(null, create(IstioCertificateResponseSchema, { certChain: [...chain] }));
    } catch (error) {
      answer(Object.assign(error instanceof Error ? error : new Error(String(error)), { code: 7 }));
    }
  }
}
