// SPDX-License-Identifier: Apache-2.0
import { hash } from "node:crypto";
import type { TokenReview } from "@ambientmesh/api/kubernetes";
import type { Clock } from "@ambientmesh/core";
import { formatSpiffeId, spiffeErrors } from "@ambientmesh/spiffe";
import type { MeshConfig } from "../config/mesh-config.ts";
import type { Authentication } from "./caller.ts";

/** Asks the API server whose a token is. */
export type ReviewToken = (
  token: string,
  audiences: readonly string[],
  signal?: AbortSignal,
) => Promise<NonNullable<TokenReview["status"]>>;

export interface TokenAuthenticatorDeps {
  readonly clock: Clock;
  readonly reviewToken: ReviewToken;
}

export interface TokenAuthenticatorOptions {
  readonly audiences: readonly string[];
  readonly mesh: Pick<MeshConfig, "trustDomain">;
}

/**
 * A proxy asks for many certificates with one token, each request with the same token again. An answer is kept so long,
 * in ms; a deleted pod's token is good for so long at most (kube-apiserver itself keeps such answers for 10 s).
 */
const CACHE_MS = 10_000;
const CACHE_ENTRIES = 10_000;
/** Longest token that is looked at, in characters; bound tokens of Kubernetes have about 1,000. */
const MAX_TOKEN = 16_384;
const USERNAME = /^system:serviceaccount:(?<namespace>[^:]+):(?<name>[^:]+)$/;
const GROUP = "system:serviceaccounts";
const POD_NAME = "authentication.kubernetes.io/pod-name";
const POD_UID = "authentication.kubernetes.io/pod-uid";

interface CachedReview {
  readonly answer: Promise<Authentication>;
  readonly goodUntilMs: number;
}

/** Authenticates service accounts of Kubernetes by their tokens. */
export class TokenAuthenticator {
  readonly #deps: TokenAuthenticatorDeps;
  readonly #options: TokenAuthenticatorOptions;
  /** By hash of the token, oldest first: no token stays in memory. */
  readonly #cache = new Map<string, CachedReview>();

  constructor(deps: TokenAuthenticatorDeps, options: TokenAuthenticatorOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Never rejects; equal tokens at the same time are reviewed once. */
  async authenticate(token: string): Promise<Authentication> {
    if (token.length > MAX_TOKEN) return refused("the token is too long");
    const key = hash("sha256", token, "base64");
    const now = this.#deps.clock.monotonicMs();
    const cached = this.#cache.get(key);
    if (cached && now < cached.goodUntilMs) return cached.answer;
    const answer = this.#review(token);
    this.#remember(key, { answer, goodUntilMs: now + CACHE_MS });
    const outcome = await answer;
    // A refused token may become good (clock skew), and an API server may come back, at any moment.
    if (outcome.kind !== "authenticated" && this.#cache.get(key)?.answer === answer) this.#cache.delete(key);
    return outcome;
  }

  #remember(key: string, review: CachedReview): void {
    this.#cache.delete(key);
    this.#cache.set(key, review);
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > CACHE_ENTRIES && oldest !== undefined) this.#cache.delete(oldest);
  }

  async #review(token: string): Promise<Authentication> {
    try {
      return this.#judge(await this.#deps.reviewToken(token, this.#options.audiences));
    } catch (error) {
      return { kind: "unavailable", error: error instanceof Error ? error : new Error(String(error)) };
    }
  }

  #judge({ authenticated, error, audiences = [], user = {} }: NonNullable<TokenReview["status"]>): Authentication {
    if (authenticated !== true) return refused(error ?? "the token is not authentic");
    // An API server that knows nothing of audiences answers without any: then nothing says that the token was meant for us.
    if (!audiences.some((audience) => this.#options.audiences.includes(audience))) {
      return refused(`the token is not meant for ${this.#options.audiences.join(" or ")}`);
    }
    const { namespace, name } = USERNAME.exec(user.username ?? "")?.groups ?? {};
    if (namespace === undefined || name === undefined || !user.groups?.includes(GROUP)) {
      return refused(`the token of "${user.username ?? ""}" does not belong to a service account`);
    }
    return this.#identify(namespace, name, user.extra ?? {});
  }

  #identify(
    namespace: string,
    serviceAccount: string,
    extra: Readonly<Record<string, readonly string[]>>,
  ): Authentication {
    const podName = extra[POD_NAME]?.[0];
    const podUid = extra[POD_UID]?.[0];
    try {
      const id = formatSpiffeId({ trustDomain: this.#options.mesh.trustDomain, namespace, serviceAccount });
      const pod = podName !== undefined && podUid !== undefined ? { name: podName, uid: podUid } : undefined;
      return { kind: "authenticated", caller: { by: "token", id, namespace, serviceAccount, pod } };
    } catch (error) {
      if (spiffeErrors.is(error, "SPIFFE_ID_INVALID")) return refused(error.message);
      throw error;
    }
  }
}

function refused(reason: string): Authentication {
  return { kind: "refused", reason };
}
