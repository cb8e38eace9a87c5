// SPDX-License-Identifier: Apache-2.0
import { stringify } from "yaml";

/** How to reach and enter the API server. Either texts or paths, which count from the kubeconfig's own folder. */
export interface KubeconfigParts {
  readonly server: string;
  readonly authority: { readonly pem: string } | { readonly file: string };
  readonly user: { readonly name: string } & ({ readonly token: string } | { readonly tokenFile: string });
  /** Name of cluster and context. */
  readonly name: string;
}

/** A kubeconfig for one cluster and one user. */
export function kubeconfigText({
  server,
  authority,
  user: { name: userName, ...credentials },
  name,
}: KubeconfigParts): string {
  const cluster = {
    server,
    ...("pem" in authority
      ? { "certificate-authority-data": Buffer.from(authority.pem).toString("base64") }
      : { "certificate-authority": authority.file }),
  };
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster }],
    users: [{ name: userName, user: credentials }],
    contexts: [{ name, context: { cluster: name, user: userName } }],
    "current-context": name,
  });
}
