// SPDX-License-Identifier: Apache-2.0
import type { IstioCertificateRequest } from "@ambientmesh/api/ca";
import type { CertificateAuthority } from "@ambientmesh/ca";
import { IMPERSONATED_IDENTITY } from "@ambientmesh/ca/service";
import { toMeshError, type Logger, type MeshError } from "@ambientmesh/core";
import type { SpiffeId } from "@ambientmesh/spiffe";
import { GRPC_STATUS, type CallInfo, type StreamStatus } from "@ambientmesh/xds";
import type { CallAuthenticator } from "../authentication/call-authenticator.ts";
import type { CertificateMetrics } from "./certificate-metrics.ts";
import type { NodeAuthorizer } from "./node-authorization.ts";

export interface CertificateIssuerDeps {
  readonly logger: Logger;
  readonly metrics: CertificateMetrics;
  readonly calls: Pick<CallAuthenticator, "authenticate">;
  readonly nodes: Pick<NodeAuthorizer, "authorize">;
  readonly authority: Pick<CertificateAuthority, "sign">;
}

/** A certificate chain, or how the call ends. */
export type Issuance =
  | { readonly kind: "issued"; readonly chain: readonly string[] }
  | { readonly kind: "failed"; readonly status: StreamStatus };

/** More requests at a time than this are told to come back: each holds a key and a signature in the thread pool. */
const MAX_CONCURRENT = 1000;
/** Longer than any lifetime that is allowed; keeps the number exact. */
const MAX_SECONDS = BigInt(2 ** 40);

const CALLERS_FAULT: ReadonlySet<string> = new Set(["CA_CSR_INVALID", "CA_TTL_TOO_LONG"]);

/** Who it is for is known by authentication alone; what a request says of itself only narrows that. */
export class CertificateIssuer {
  readonly #deps: CertificateIssuerDeps;
  #running = 0;

  constructor(deps: CertificateIssuerDeps) {
    this.#deps = deps;
  }

  /** Never rejects. */
  async issue(call: CallInfo, request: IstioCertificateRequest): Promise<Issuance> {
    this.#deps.metrics.requests.add();
    if (this.#running >= MAX_CONCURRENT) {
      return failed(GRPC_STATUS.RESOURCE_EXHAUSTED, "too many certificate requests, try again later");
    }
    this.#running++;
    try {
      return await this.#issue(call, request);
    } catch (error) {
      return this.#failedToSign(toMeshError(error));
    } finally {
      this.#running--;
    }
  }

  async #issue(call: CallInfo, request: IstioCertificateRequest): Promise<Issuance> {
    const subject = await this.#subjectOf(call, request);
    if (subject.kind === "failed") return subject;
    const { id } = subject;
    const seconds = request.validityDuration > MAX_SECONDS ? MAX_SECONDS : request.validityDuration;
    const ttlSeconds = seconds < 0n ? 0 : Number(seconds);
    const { chain, serialNumber, notAfterMs } = await this.#deps.authority.sign({
      csrPem: request.csr,
      id,
      ttlSeconds,
    });
    this.#deps.metrics.issued.add();
    this.#deps.logger.debug("certificate issued", { id, serialNumber, notAfter: new Date(notAfterMs) });
    return { kind: "issued", chain };
  }

  /** Whom the certificate will name. */
  async #subjectOf(
    call: CallInfo,
    request: IstioCertificateRequest,
  ): Promise<{ kind: "subject"; id: SpiffeId } | Extract<Issuance, { kind: "failed" }>> {
    const { calls, nodes, metrics, logger } = this.#deps;
    const peer = call.peerAddress;
    const authentication = await calls.authenticate(call);
    if (authentication.kind !== "authenticated") {
      metrics.authenticationFailures.add();
      logger.warn("certificate request refused: not authenticated", { peer, ...authentication });
      if (authentication.kind === "unavailable")
        return failed(GRPC_STATUS.UNAVAILABLE, "callers can't be authenticated now");
      return failed(GRPC_STATUS.UNAUTHENTICATED, "request authenticate failure");
    }
    const { caller } = authentication;
    const requested = request.metadata?.[IMPERSONATED_IDENTITY];
    if (requested === undefined || requested === "") return { kind: "subject", id: caller.id };
    if (typeof requested !== "string") {
      metrics.identityFailures.add();
      return failed(GRPC_STATUS.INVALID_ARGUMENT, `${IMPERSONATED_IDENTITY} is no text`);
    }
    const impersonation = nodes.authorize(caller, requested);
    if (impersonation.kind === "allowed") return { kind: "subject", id: impersonation.id };
    metrics.impersonationFailures.add();
    metrics.authenticationFailures.add();
    logger.warn("certificate request refused: not for this node", {
      peer,
      caller: caller.id,
      reason: impersonation.reason,
    });
    return failed(GRPC_STATUS.UNAUTHENTICATED, "request impersonation authentication failure");
  }

  #failedToSign(error: MeshError): Issuance {
    const { metrics, logger } = this.#deps;
    if (CALLERS_FAULT.has(error.code)) {
      metrics.unreadableRequests.add();
      logger.warn("certificate request refused", { error });
      return failed(GRPC_STATUS.INVALID_ARGUMENT, error.message);
    }
    metrics.signingFailures.with({ error: error.code }).add();
    logger.error("certificate could not be signed", { error });
    return failed(GRPC_STATUS.INTERNAL, "the certificate could not be signed");
  }
}

function failed(code: number, message: string): Extract<Issuance, { kind: "failed" }> {
  return { kind: "failed", status: { code, message } };
}
