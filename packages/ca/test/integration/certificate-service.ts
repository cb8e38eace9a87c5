// SPDX-License-Identifier: Apache-2.0
import { IstioCertificateResponseSchema, type IstioCertificateRequest } from "@ambientmesh/api/ca";
import { create } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type Metadata, type StatusObject, type status } from "@grpc/grpc-js";
import { parseSpiffeId } from "@ambientmesh/spiffe";
import { CertificateAuthority, type AuthorityMaterial } from "../../src/index.ts";
import { IMPERSONATED_IDENTITY, certificateServiceDefinition } from "../../src/service/index.ts";

/** What one call brought. */
export interface SeenCall {
  readonly metadata: Metadata;
  readonly request: IstioCertificateRequest;
}

/** A certificate service over real gRPC, whose answers a test can bend. */
export class CertificateService implements AsyncDisposable {
  readonly calls: SeenCall[] = [];
  readonly authority: CertificateAuthority;
  /** Set it to answer with something else. */
  answer:
    | ((chain: readonly string[], call: SeenCall) => readonly string[] | Partial<StatusObject> | undefined)
    | undefined;
  readonly #server = new Server();
  #port = 0;

  constructor(material: AuthorityMaterial) {
    this.authority = new CertificateAuthority(material);
    this.#server.addService(certificateServiceDefinition, {
      createCertificate: (
        call: SeenCall,
        reply: (error: Partial<StatusObject> | null, response?: ReturnType<typeof chainOf>) => void,
      ) => {
        this.calls.push(call);
        void this.#sign(call.request).then((chain) => {
          const answer = this.answer === undefined ? chain : this.answer(chain, call);
          if (answer === undefined) return;
          if (Array.isArray(answer)) reply(null, chainOf(answer as string[]));
          else reply(answer as Partial<StatusObject>);
        });
      },
    });
  }

  get port(): number {
    return this.#port;
  }

  /** Begins to serve on loopback: with a certificate for `names`, or in the clear without. */
  async listen(names: readonly string[] | undefined, address = "127.0.0.1:0"): Promise<this> {
    const serving = names && (await this.authority.issueServing({ names }));
    const credentials = serving
      ? ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(serving.certificateChainPem), private_key: Buffer.from(serving.privateKeyPem) },
        ])
      : ServerCredentials.createInsecure();
    const bound = Promise.withResolvers<number>();
    this.#server.bindAsync(address, credentials, (error, port) => (error ? bound.reject(error) : bound.resolve(port)));
    this.#port = await bound.promise;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }

  async #sign({ csr, metadata }: IstioCertificateRequest): Promise<readonly string[]> {
    const impersonated = metadata?.[IMPERSONATED_IDENTITY];
    const id = parseSpiffeId(
      typeof impersonated === "string" ? impersonated : "spiffe://cluster.local/ns/ns/sa/caller",
    );
    return (await this.authority.sign({ csrPem: csr, id })).chain;
  }
}

const chainOf = (certChain: string[]) => create(IstioCertificateResponseSchema, { certChain });

/** A refusal with this status. */
export const refusal = (code: status, details = "because"): Partial<StatusObject> => ({ code, details });
