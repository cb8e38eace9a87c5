// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Duplex } from "node:stream";
import type { Clock } from "@ambientmesh/core";
import { kubeErrors } from "../errors.ts";
import { partsCredentials, type CredentialSource } from "./credentials.ts";
import { kubeconfigAccess } from "./kubeconfig.ts";

/** Where an API server is and how to get in. */
export interface KubeAccess {
  readonly server: URL;
  readonly credentials: CredentialSource;
  /** The namespace of the context or of our own pod, if known. */
  readonly namespace?: string;
  /** Makes connections other than by TCP. */
  readonly connect?: () => Duplex;
}

/** Which API server to talk to. */
export type KubeTarget =
  | { readonly kind: "kubeconfig"; readonly path: string; readonly context?: string | undefined }
  /** As a pod, with the service account's token. Host and port are KUBERNETES_SERVICE_HOST and _PORT. */
  | { readonly kind: "in-cluster"; readonly host: string; readonly port: number; readonly directory?: string }
  | {
      readonly kind: "server";
      /** http or https URL. */
      readonly server: string;
      /** PEM; default: the machine's certificate authorities. */
      readonly ca?: string;
      readonly token?: string;
      /** Read again every minute and after a refusal. */
      readonly tokenFile?: string;
    }
  /** A server in this process ({@link LocalKube} of the subpath `local`). */
  | { readonly kind: "in-process"; readonly connect: () => Duplex; readonly token: string };

const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * The target that an environment points to: the kubeconfig of a flag, in-cluster where Kubernetes set its variables,
 * else KUBECONFIG. Undefined when none of them is there.
 */
export function kubeTargetOf(
  env: Readonly<Record<string, string | undefined>>,
  kubeconfig?: string,
): KubeTarget | undefined {
  if (kubeconfig !== undefined && kubeconfig !== "") return { kind: "kubeconfig", path: kubeconfig };
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443", KUBECONFIG: path } = env;
  if (host !== undefined && host !== "") return { kind: "in-cluster", host, port: Number(port) };
  return path === undefined || path === "" ? undefined : { kind: "kubeconfig", path };
}

/** @throws MeshError KUBE_CONFIG_INVALID. */
export async function accessOf(target: KubeTarget, clock: Clock): Promise<KubeAccess> {
  switch (target.kind) {
    case "kubeconfig":
      return kubeconfigAccess(target, clock);
    case "in-cluster": {
      const { host, port, directory = SERVICE_ACCOUNT_DIRECTORY } = target;
      const server = parseServer(`https://${host.includes(":") ? `[${host}]` : host}:${port}`);
      const file = (name: string): { readonly file: string } => ({ file: join(directory, name) });
      return { server, credentials: partsCredentials({ token: file("token"), ca: file("ca.crt") }, clock) };
    }
    case "server": {
      const { token, tokenFile, ca } = target;
      const tokenPart = token === undefined ? tokenFile && { file: tokenFile } : { text: token };
      const parts = { token: tokenPart || undefined, ca: ca === undefined ? undefined : { text: ca } };
      return { server: parseServer(target.server), credentials: partsCredentials(parts, clock) };
    }
    case "in-process": {
      const credentials = partsCredentials({ token: { text: target.token } }, clock);
      return { server: new URL("http://local.invalid"), credentials, connect: target.connect };
    }
  }
}

function parseServer(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === "http:" || url.protocol === "https:")) return url;
  throw kubeErrors.create("KUBE_CONFIG_INVALID", `the API server's address "${text}" is no http or https URL`);
}
