// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from "../../json/json.ts";
import type { ObjectDeps, UserInfo } from "../objects/scope.ts";
import type { ListPages } from "../store/list-pages.ts";
import type { Authenticator } from "../tokens/authenticator.ts";
import type { ServiceAccountTokens } from "../tokens/service-account-tokens.ts";

/** An authenticated request, apart from the HTTP library. */
export interface ApiRequest {
  readonly method: string;
  readonly pathname: string;
  readonly query: URLSearchParams;
  readonly accept: string | undefined;
  readonly contentType: string | undefined;
  readonly userAgent: string | undefined;
  readonly body: Buffer | undefined;
  readonly user: UserInfo;
}

/** An answer in one piece. */
export interface ApiResponse {
  readonly httpStatus: number;
  readonly body: JsonObject;
  readonly warnings: readonly string[];
}

/** What handlers work with. */
export interface ApiDeps extends ObjectDeps {
  readonly pages: ListPages;
  readonly authenticator: Authenticator;
  readonly tokens: ServiceAccountTokens;
}
