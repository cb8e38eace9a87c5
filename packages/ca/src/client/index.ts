// SPDX-License-Identifier: Apache-2.0
/** Client of `istio.v1.auth.IstioCertificateService`. */
export { CaClient, type CaClientOptions } from "./ca-client.ts";
export type { TokenSource } from "./bearer-token.ts";
export type { RootSource } from "./channel.ts";
export { caErrors } from "../errors.ts";
