// SPDX-License-Identifier: Apache-2.0
import type { X509Certificate } from "node:crypto";
import { messageOf } from "@ambientmesh/core";
import { identityOf, parseCertificate, spiffeIdParts } from "@ambientmesh/spiffe";
import type { CallInfo } from "@ambientmesh/xds";
import type { MeshConfig } from "../config/mesh-config.ts";
import type { Authentication } from "./caller.ts";
import type { TokenAuthenticator } from "./token-authenticator.ts";

export interface CallAuthenticatorOptions {
  readonly mesh: Pick<MeshConfig, "trustDomain">;
  /** The cluster whose API server reviews tokens. */
  readonly clusterId: string;
}

const BEARER = /^Bearer (?<token>[\w~+/.=-]+)$/i;

/** Finds out who makes a call on the TLS port: by client certificate first, then by token; the first that succeeds counts. */
export class CallAuthenticator {
  readonly #tokens: Pick<TokenAuthenticator, "authenticate">;
  readonly #options: CallAuthenticatorOptions;

  constructor(tokens: Pick<TokenAuthenticator, "authenticate">, options: CallAuthenticatorOptions) {
    this.#tokens = tokens;
    this.#options = options;
  }

  async authenticate(call: Pick<CallInfo, "peerCertificate" | "metadata">): Promise<Authentication> {
    const byCertificate = call.peerCertificate && this.#byCertificate(call.peerCertificate);
    if (byCertificate?.kind === "authenticated") return byCertificate;
    const byToken = await this.#byToken(call);
    if (byToken.kind !== "refused" || !byCertificate) return byToken;
    return { kind: "refused", reason: `${byCertificate.reason}; ${byToken.reason}` };
  }

  /** The listener has verified that the certificate leads to our root. */
  #byCertificate({ raw }: X509Certificate): Exclude<Authentication, { kind: "unavailable" }> {
    try {
      const identity = identityOf(parseCertificate(raw));
      if (identity.kind === "invalid") return { kind: "refused", reason: `client certificate: ${identity.problem}` };
      const { trustDomain, namespace, serviceAccount } = spiffeIdParts(identity.id);
      if (trustDomain !== this.#options.mesh.trustDomain) {
        return { kind: "refused", reason: `client certificate: ${identity.id} is of another trust domain` };
      }
      const caller = { by: "certificate" as const, id: identity.id, namespace, serviceAccount, pod: undefined };
      return { kind: "authenticated", caller };
    } catch (error) {
      return { kind: "refused", reason: `client certificate: ${messageOf(error)}` };
    }
  }

  async #byToken({ metadata }: Pick<CallInfo, "metadata">): Promise<Authentication> {
    const cluster = metadata("clusterid") ?? "";
    if (cluster !== "" && cluster !== this.#options.clusterId) {
      return { kind: "refused", reason: `cluster "${cluster.slice(0, 100)}" is not known here` };
    }
    const header = metadata("authorization");
    if (header === undefined) return { kind: "refused", reason: "no token" };
    const token = BEARER.exec(header)?.groups?.["token"];
    return token === undefined ? { kind: "refused", reason: "no bearer token" } : this.#tokens.authenticate(token);
  }
}
