// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import type { TokenRequest } from "@ambientmesh/api/kubernetes";
import type { Clock } from "@ambientmesh/core";
import { isJsonArray, jsonAt, jsonText, type JsonObject } from "../../json/json.ts";
import { asJson, type ApiObject } from "../objects/api-object.ts";
import { badRequest, invalid } from "../objects/refusals.ts";
import { timestamp, type Scope, type UserInfo } from "../objects/scope.ts";
import { requireObject } from "../objects/update.ts";
import type { ObjectDeps } from "../objects/scope.ts";
import type { ObjectStore } from "../store/object-store.ts";
import type { JwtSigner } from "./jwt.ts";

// Kubernetes' own bounds and default for requested lifetimes.
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;
const DEFAULT_SECONDS = 3600;

/** Kinds that tokens can be bound to, with their tables. */
const BINDABLE: ReadonlyMap<string, string> = new Map([
  ["Pod", "pods"],
  ["Secret", "secrets"],
  ["Node", "nodes"],
]);

const CLAIM = "kubernetes.io";
const EXTRA = "authentication.kubernetes.io";

/** A token that holds: who it stands for, and which of its audiences were asked for. */
export interface VerifiedToken {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

/** Issues and checks tokens of service accounts. */
export class ServiceAccountTokens {
  readonly #deps: ObjectDeps;
  readonly #signer: JwtSigner;
  readonly #issuer: string;

  constructor(deps: ObjectDeps, options: { readonly signer: JwtSigner; readonly issuer: string }) {
    this.#deps = deps;
    this.#signer = options.signer;
    this.#issuer = options.issuer;
  }

  /** The audience of the API server itself. */
  get audience(): string {
    return this.#issuer;
  }

  /**
   * Answers a TokenRequest for a service account.
   * @throws MeshError KUBE_NOT_FOUND for the account, KUBE_INVALID for a lifetime out of bounds or a bound object that does not fit.
   */
  issue(scope: Scope, name: string, spec: TokenRequest["spec"]): NonNullable<TokenRequest["status"]> {
    const account = requireObject(this.#deps, scope, name);
    const seconds = spec.expirationSeconds ?? DEFAULT_SECONDS;
    if (seconds < MIN_SECONDS || seconds > MAX_SECONDS) {
      const message = `${seconds}: may not be less than ${MIN_SECONDS} or more than ${MAX_SECONDS} seconds`;
      throw invalid(scope, name, [{ path: ["spec", "expirationSeconds"], reason: "FieldValueInvalid", message }]);
    }
    const nowSeconds = Math.floor(this.#deps.clock.now() / 1000);
    const { namespace = "" } = account.metadata;
    const token = this.#signer.sign({
      iss: this.#issuer,
      sub: `system:serviceaccount:${namespace}:${name}`,
      aud: spec.audiences === undefined || spec.audiences.length === 0 ? [this.#issuer] : spec.audiences,
      iat: nowSeconds,
      nbf: nowSeconds,
      exp: nowSeconds + seconds,
      jti: randomUUID(),
      [CLAIM]: { namespace, serviceaccount: reference(account), ...this.#boundClaims(account, spec.boundObjectRef) },
    });
    return { token, expirationTimestamp: timestamp((nowSeconds + seconds) * 1000) };
  }

  /** What a token is worth now for one of the wanted audiences (none: the API server's own), undefined if nothing. */
  verify(token: string, wanted: readonly string[] = []): VerifiedToken | undefined {
    const claims = this.#signer.verify(token);
    if (claims === undefined || claims["iss"] !== this.#issuer || !isTimely(claims, this.#deps.clock)) return undefined;
    const audiences = matchingAudiences(claims, wanted.length === 0 ? [this.#issuer] : wanted);
    const user = this.#userOf(claims);
    return audiences.length === 0 || user === undefined ? undefined : { user, audiences };
  }

  #boundClaims(account: ApiObject, bound: TokenRequest["spec"]["boundObjectRef"]): JsonObject {
    if (bound === undefined) return {};
    const { namespace } = account.metadata;
    const table = BINDABLE.get(bound.kind);
    if (table === undefined) throw badRequest(`cannot bind a token to a ${bound.kind}; only to a Pod, Secret or Node`);
    const key = bound.kind === "Node" ? bound.name : `${namespace}/${bound.name}`;
    const object = this.#deps.store.table(table).get(key);
    if (object === undefined || (bound.uid !== undefined && bound.uid !== object.metadata.uid)) {
      throw badRequest(`cannot bind token to ${bound.kind} "${bound.name}": it does not exist with that uid`);
    }
    if (bound.kind !== "Pod") return { [bound.kind.toLowerCase()]: reference(object) };
    if (jsonAt(asJson(object), "spec", "serviceAccountName") !== account.metadata.name) {
      throw badRequest(
        `cannot bind token for serviceaccount "${account.metadata.name}" to pod "${bound.name}" running with another one`,
      );
    }
    const node = this.#deps.store.table("nodes").get(jsonText(jsonAt(asJson(object), "spec", "nodeName")));
    return { pod: reference(object), ...(node !== undefined && { node: reference(node) }) };
  }

  #userOf(claims: JsonObject): UserInfo | undefined {
    const namespace = jsonText(jsonAt(claims, CLAIM, "namespace"));
    const name = jsonText(jsonAt(claims, CLAIM, "serviceaccount", "name"));
    const uid = jsonText(jsonAt(claims, CLAIM, "serviceaccount", "uid"));
    const { store } = this.#deps;
    if (!exists(store, "serviceaccounts", { key: `${namespace}/${name}`, uid })) return undefined;
    const extra: Record<string, readonly string[]> = { [`${EXTRA}/credential-id`]: [`JTI=${jsonText(claims["jti"])}`] };
    for (const [kind, table] of [
      ["pod", "pods"],
      ["secret", "secrets"],
      ["node", "nodes"],
    ] as const) {
      const bound = jsonAt(claims, CLAIM, kind);
      if (bound === undefined) continue;
      const boundName = jsonText(jsonAt(bound, "name"));
      const boundUid = jsonText(jsonAt(bound, "uid"));
      const key = kind === "node" ? boundName : `${namespace}/${boundName}`;
      if (!exists(store, table, { key, uid: boundUid })) return undefined;
      if (kind !== "secret") {
        extra[`${EXTRA}/${kind}-name`] = [boundName];
        extra[`${EXTRA}/${kind}-uid`] = [boundUid];
      }
    }
    return {
      username: `system:serviceaccount:${namespace}:${name}`,
      uid,
      groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
      extra,
    };
  }
}

function reference({ metadata }: ApiObject): JsonObject {
  return { name: metadata.name, uid: metadata.uid };
}

function exists(
  store: ObjectStore,
  table: string,
  { key, uid }: { readonly key: string; readonly uid: string },
): boolean {
  return store.table(table).get(key)?.metadata.uid === uid;
}

function isTimely(claims: JsonObject, clock: Clock): boolean {
  const { exp, nbf } = claims;
  const seconds = clock.now() / 1000;
  return typeof exp === "number" && typeof nbf === "number" && seconds < exp && seconds >= nbf;
}

function matchingAudiences(claims: JsonObject, wanted: readonly string[]): readonly string[] {
  const { aud } = claims;
  return isJsonArray(aud) ? wanted.filter((audience) => aud.includes(audience)) : [];
}
