// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { IstioCertificateRequestSchema, type IstioCertificateResponse } from "@ambientmesh/api/ca";
import { abortedError, messageOf, silentLogger, systemClock, type Logger } from "@ambientmesh/core";
import { parseTrustBundle, type SpiffeId } from "@ambientmesh/spiffe";
import { create } from "@bufbuild/protobuf";
import { Metadata, type Client } from "@grpc/grpc-js";
import { caErrors } from "../errors.ts";
import { IMPERSONATED_IDENTITY, certificateServiceDefinition } from "../service/index.ts";
import { parseServiceAddress, type ServiceAddress } from "./address.ts";
import { checkAnswer } from "./answer.ts";
import { bearerToken, type TokenSource } from "./bearer-token.ts";
import { openChannel, type RootSource } from "./channel.ts";
import { errorOfStatus } from "./status.ts";

/** How the certificate service is asked. */
export interface CaClientOptions {
  /** "https://istiod.istio-system.svc:15012"; without a scheme it is https. */
  readonly address: string;
  /** Whom to trust for the service's certificate. A file is looked at before each request. */
  readonly rootCa: RootSource;
  /** A further name that the service's certificate may carry. */
  readonly alternativeHostname?: string | undefined;
  /** Sent as `authorization: Bearer`. A file is read for each request, because its token is replaced every few minutes. */
  readonly token?: TokenSource | undefined;
  /** Sent as `clusterid`: whose API server reviews the token. */
  readonly clusterId?: string;
  /** Further metadata. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Validity to ask for. Default 24 h. */
  readonly ttlSeconds?: number;
  /** True for a node proxy that asks for workloads with its own token (shared mode). Default false. */
  readonly isImpersonating?: boolean;
  /** Time for one request. Default 10 s. */
  readonly deadlineMs?: number;
  /** Lets the service speak TLS 1.2 as well. Default false. */
  readonly isTls12Enabled?: boolean;
}

const DEFAULTS = { ttlSeconds: 86_400, deadlineMs: 10_000, isImpersonating: false };
const METHOD = certificateServiceDefinition.createCertificate;

function headersOf({ headers = [], clusterId }: CaClientOptions): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of headers) {
    try {
      metadata.set(name, value);
    } catch (error) {
      throw caErrors.create("CA_CLIENT_INVALID", `the header ${JSON.stringify(name)} can't be sent`, { cause: error });
    }
  }
  if (clusterId !== undefined) metadata.set("clusterid", clusterId);
  return metadata;
}

/** Asks Istio's certificate service for certificates over one long-lived channel. */
export class CaClient implements Disposable {
  readonly #options: CaClientOptions & typeof DEFAULTS;
  readonly #address: ServiceAddress;
  readonly #headers: Metadata;
  readonly #logger: Logger;
  #channel: { readonly client: Client; readonly rootsPem: string } | undefined;

  /** Does not connect yet. @throws MeshError CA_CLIENT_INVALID for an address or header that can't be used */
  constructor(deps: { readonly logger?: Logger }, options: CaClientOptions) {
    this.#logger = deps.logger ?? silentLogger;
    this.#options = { ...DEFAULTS, ...options };
    this.#address = parseServiceAddress(options.address, options.token !== undefined);
    this.#headers = headersOf(options);
  }

  /**
   * Has the request signed for `id`; fits `SecretManagerDeps.issue`. The answer was checked: two elements or more, and a leaf for
   * this id and this request's key.
   * @throws MeshError CA_UNAVAILABLE, CA_UNAUTHENTICATED, CA_REFUSED, CA_ANSWER_INVALID, CA_CREDENTIALS_UNREADABLE, ABORTED
   */
  readonly issue = async (csrPem: string, id: SpiffeId, signal?: AbortSignal): Promise<readonly string[]> => {
    const client = await this.#connect();
    const { certChain } = await this.#call(client, csrPem, id, { metadata: await this.#metadata(), signal });
    await checkAnswer(certChain, csrPem, id);
    return certChain;
  };

  /** Closes the channel; requests on their way may still be answered. */
  [Symbol.dispose](): void {
    this.#channel?.client.close();
    this.#channel = undefined;
  }

  async #connect(): Promise<Client> {
    try {
      const rootsPem = await this.#readRoots();
      // Looked at after the wait, in which another request may have opened the channel.
      const known = this.#channel;
      if (known?.rootsPem === rootsPem) return known.client;
      const client = openChannel(this.#address, rootsPem, this.#options);
      this.#channel = { client, rootsPem };
      known?.client.close();
      return client;
    } catch (error) {
      const problem = `the roots of the certificate service can't be used: ${messageOf(error)}`;
      const cause = caErrors.create("CA_CREDENTIALS_UNREADABLE", problem, { cause: error, retryable: true });
      if (this.#channel === undefined) throw cause;
      this.#logger.warn("new roots of the certificate service can't be used, the old ones stay", { error: cause });
      return this.#channel.client;
    }
  }

  /** What the file with the roots holds now; empty where no file is used. */
  async #readRoots(): Promise<string> {
    const { rootCa } = this.#options;
    if (!this.#address.isTls || !("file" in rootCa)) return "";
    const rootsPem = await readFile(rootCa.file, "utf8");
    parseTrustBundle(rootsPem, rootCa.file);
    return rootsPem;
  }

  async #metadata(): Promise<Metadata> {
    const metadata = this.#headers.clone();
    if (this.#options.token !== undefined) metadata.set("authorization", await bearerToken(this.#options.token));
    return metadata;
  }

  async #call(
    client: Client,
    csrPem: string,
    id: SpiffeId,
    { metadata, signal }: { readonly metadata: Metadata; readonly signal: AbortSignal | undefined },
  ): Promise<IstioCertificateResponse> {
    const { ttlSeconds, isImpersonating, deadlineMs } = this.#options;
    const request = create(IstioCertificateRequestSchema, {
      csr: csrPem,
      validityDuration: BigInt(ttlSeconds),
      ...(isImpersonating && { metadata: { [IMPERSONATED_IDENTITY]: id } }),
    });
    if (signal?.aborted) throw abortedError(signal, `asking for the certificate of ${id}`);
    const { promise, resolve, reject } = Promise.withResolvers<IstioCertificateResponse>();
    const call = client.makeUnaryRequest(
      METHOD.path,
      METHOD.requestSerialize,
      METHOD.responseDeserialize,
      request,
      metadata,
      // gRPC runs on the machine's clock.
      { deadline: systemClock.now() + deadlineMs },
      (error, response) => {
        if (error === null && response !== undefined) resolve(response);
        else if (signal?.aborted) reject(abortedError(signal, `asking for the certificate of ${id}`));
        else if (error !== null) reject(errorOfStatus(error, id));
        else reject(caErrors.create("CA_ANSWER_INVALID", `the answer for ${id} is empty`));
      },
    );
    const onAbort = (): void => call.cancel();
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }
}
