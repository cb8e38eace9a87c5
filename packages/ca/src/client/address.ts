// SPDX-License-Identifier: Apache-2.0
import { caErrors } from "../errors.ts";

/** Where the certificate service is. */
export interface ServiceAddress {
  /** As grpc-js dials it. */
  readonly target: string;
  /** The host alone, as the server's certificate must name it. */
  readonly host: string;
  readonly isTls: boolean;
}

const DEFAULT_PORTS = { "https:": "443", "http:": "80" } as const;
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/**
 * Reads "https://istiod.istio-system.svc:15012"; without a scheme it is https. Plaintext is for tests and sidecars of tests: a token is
 * a password, so with `hasToken` it is refused for everything but loopback.
 * @throws MeshError CA_CLIENT_INVALID
 */
export function parseServiceAddress(address: string, hasToken: boolean): ServiceAddress {
  const invalid = (problem: string): Error =>
    caErrors.create(
      "CA_CLIENT_INVALID",
      `the address ${JSON.stringify(address)} of the certificate service ${problem}`,
    );
  const text = address.includes("://") ? address : `https://${address}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === "") throw invalid("is no URL like https://host:15012");
  const { protocol, hostname } = url;
  if (protocol !== "https:" && protocol !== "http:") throw invalid("has a scheme other than https and http");
  const isTls = protocol === "https:";
  if (!isTls && hasToken && !LOOPBACK.test(hostname)) throw invalid("would carry the token in the clear: use https");
  const port = url.port === "" ? DEFAULT_PORTS[protocol] : url.port;
  return { target: `${hostname}:${port}`, host: hostname.replace(/^\[|\]$/g, ""), isTls };
}
