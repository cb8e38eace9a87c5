// SPDX-License-Identifier: Apache-2.0
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import type { UserInfo } from "../objects/scope.ts";
import type { ServiceAccountTokens, VerifiedToken } from "./service-account-tokens.ts";

/** A token that is valid as long as the server runs. */
export interface StaticToken {
  readonly token: string;
  readonly username: string;
  /** "system:authenticated" is added. */
  readonly groups?: readonly string[];
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Finds out who asks: static tokens, tokens of service accounts, client certificates. Nobody else is let in. */
export class Authenticator {
  readonly #statics: readonly { readonly digest: Buffer; readonly user: UserInfo }[];
  readonly #tokens: ServiceAccountTokens;

  constructor(tokens: ServiceAccountTokens, statics: readonly StaticToken[]) {
    this.#tokens = tokens;
    this.#statics = statics.map(({ token, username, groups = [] }) => ({
      digest: digest(token),
      user: { username, groups: [...groups, "system:authenticated"] },
    }));
  }

  /** The sender of a request, undefined if unknown. */
  ofRequest(request: IncomingMessage): UserInfo | undefined {
    const { authorization } = request.headers;
    if (authorization === undefined) return userOfCertificate(request);
    const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
    return token === undefined ? undefined : this.ofToken(token)?.user;
  }

  /** The holder of a token, for the wanted audiences (none: the API server's own); undefined if it is worth nothing. */
  ofToken(token: string, audiences: readonly string[] = []): VerifiedToken | undefined {
    const given = digest(token);
    const known = this.#statics.find((candidate) => timingSafeEqual(candidate.digest, given));
    if (known === undefined) return this.#tokens.verify(token, audiences);
    const own = this.#tokens.audience;
    if (audiences.length > 0 && !audiences.includes(own)) return undefined;
    return { user: known.user, audiences: [own] };
  }
}

/** A client certificate that the TLS server has verified: the common name is the user, organisations are groups. */
function userOfCertificate({ socket }: IncomingMessage): UserInfo | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const { CN, O } = socket.getPeerCertificate().subject ?? {};
  if (typeof CN !== "string" || CN === "") return undefined;
  const organisations: readonly string[] = O === undefined ? [] : [O].flat();
  return { username: CN, groups: [...organisations, "system:authenticated"] };
}
