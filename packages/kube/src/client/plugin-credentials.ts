// SPDX-License-Identifier: Apache-2.0
import type { RequestOptions } from "node:https";
import { messageOf } from "@ambientmesh/core";
import { kubeErrors } from "../errors.ts";
import { isSameTls, type Credentials, type CredentialSource, type TlsSettings } from "./credentials.ts";

/**
 * Credentials by @kubernetes/client-node: exec plugins, OpenID Connect and the clouds' providers, impersonation, proxies.
 * @throws MeshError KUBE_CONFIG_INVALID when it can't load the file.
 */
export async function pluginCredentials(path: string, context: string | undefined): Promise<CredentialSource> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const load = (): InstanceType<typeof KubeConfig> => {
    const config = new KubeConfig();
    config.loadFromFile(path);
    if (context !== undefined) config.setCurrentContext(context);
    return config;
  };
  let config = attempt(path, load);
  let previous: Credentials | undefined;
  return {
    async current() {
      const options: RequestOptions = {};
      try {
        await config.applyToHTTPSOptions(options);
      } catch (error) {
        throw configInvalid(path, error);
      }
      previous = credentialsOf(options, previous, config.getCurrentCluster()?.proxyUrl !== undefined);
      return previous;
    },
    // It keeps tokens until their expiry; a refused one is forgotten only with all the rest.
    invalidate() {
      config = attempt(path, load);
    },
  };
}

function attempt<T>(path: string, load: () => T): T {
  try {
    return load();
  } catch (error) {
    throw configInvalid(path, error);
  }
}

function configInvalid(path: string, error: unknown): Error {
  const message = `kubeconfig ${path}: no credentials could be made: ${messageOf(error)}`;
  return kubeErrors.create("KUBE_CONFIG_INVALID", message, { cause: error, details: { file: path } });
}

function credentialsOf(options: RequestOptions, previous: Credentials | undefined, hasProxy: boolean): Credentials {
  const headers = Object.fromEntries(
    Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]),
  );
  const basic =
    typeof options.auth === "string" ? { authorization: `Basic ${Buffer.from(options.auth).toString("base64")}` } : {};
  const tls: TlsSettings = {
    ...pem("ca", options.ca),
    ...pem("cert", options.cert),
    ...pem("key", options.key),
    ...(options.servername !== undefined && { servername: options.servername }),
    ...(options.rejectUnauthorized === false && { rejectUnauthorized: false }),
  };
  const isSame = previous !== undefined && isSameTls(previous.tls, tls);
  const agent = hasProxy && typeof options.agent === "object" ? { agent: options.agent } : {};
  return { headers: { ...basic, ...headers }, tls: isSame ? previous.tls : tls, ...agent };
}

function pem(key: "ca" | "cert" | "key", value: unknown): TlsSettings {
  if (typeof value === "string") return { [key]: value };
  return Buffer.isBuffer(value) ? { [key]: value.toString("utf8") } : {};
}
