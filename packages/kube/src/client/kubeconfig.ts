// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { messageOf, type Clock } from "@ambientmesh/core";
import { parse } from "yaml";
import { kubeErrors } from "../errors.ts";
import { isJsonArray, isJsonObject, jsonAt, type Json, type JsonObject } from "../json/json.ts";
import type { KubeAccess } from "./access.ts";
import { partsCredentials, type CredentialParts, type TextOrFile } from "./credentials.ts";
import { pluginCredentials } from "./plugin-credentials.ts";

/** A cluster and a user, as a kubeconfig's context names them. */
interface ContextParts {
  readonly cluster: JsonObject;
  readonly user: JsonObject;
  readonly namespace: string | undefined;
}

/**
 * Reads a kubeconfig. Tokens and certificates are handled here; users with credential plugins (exec, auth-provider),
 * impersonation or a proxy are handled by @kubernetes/client-node, which is loaded only then, as it is large.
 *
 * @throws MeshError KUBE_CONFIG_INVALID naming the file and the field.
 */
export async function kubeconfigAccess(
  { path, context }: { readonly path: string; readonly context?: string | undefined },
  clock: Clock,
): Promise<KubeAccess> {
  const parts = contextParts(path, await readYaml(path), context);
  const server = serverOf(path, parts.cluster);
  const needsPlugin =
    ["exec", "auth-provider", "as"].some((field) => parts.user[field] !== undefined) ||
    parts.cluster["proxy-url"] !== undefined;
  const credentials = needsPlugin
    ? await pluginCredentials(path, context)
    : partsCredentials(credentialParts(path, parts), clock);
  return { server, credentials, ...(parts.namespace !== undefined && { namespace: parts.namespace }) };
}

function configInvalid(path: string, problem: string, cause?: unknown): Error {
  return kubeErrors.create("KUBE_CONFIG_INVALID", `kubeconfig ${path}: ${problem}`, { cause, details: { file: path } });
}

async function readYaml(path: string): Promise<Json> {
  try {
    return parse(await readFile(path, "utf8"), { maxAliasCount: 100, logLevel: "error" }) as Json;
  } catch (error) {
    throw configInvalid(path, messageOf(error), error);
  }
}

function contextParts(path: string, config: Json, wanted: string | undefined): ContextParts {
  const name = wanted ?? jsonAt(config, "current-context");
  if (typeof name !== "string" || name === "") throw configInvalid(path, "current-context is not set; name a context");
  const context = entry(config, "contexts", { name, field: "context" });
  if (context === undefined) throw configInvalid(path, `there is no context "${name}"`);
  const clusterName = context["cluster"];
  const userName = context["user"];
  const cluster = entry(config, "clusters", { name: clusterName, field: "cluster" });
  if (cluster === undefined) throw configInvalid(path, `the cluster of context "${name}" is not defined`);
  const user = entry(config, "users", { name: userName, field: "user" });
  if (user === undefined && userName !== undefined && userName !== "") {
    throw configInvalid(path, `the user of context "${name}" is not defined`);
  }
  const namespace = context["namespace"];
  return { cluster, user: user ?? {}, namespace: typeof namespace === "string" ? namespace : undefined };
}

function entry(
  config: Json,
  list: string,
  { name, field }: { readonly name: Json | undefined; readonly field: string },
): JsonObject | undefined {
  const entries = jsonAt(config, list);
  const found = isJsonArray(entries) ? entries.find((item) => jsonAt(item, "name") === name) : undefined;
  const value = jsonAt(found, field);
  return isJsonObject(value) ? value : undefined;
}

function serverOf(path: string, cluster: JsonObject): URL {
  const server = cluster["server"];
  const url = typeof server === "string" ? URL.parse(server) : null;
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw configInvalid(path, "cluster.server must be an http or https URL");
  }
  return url;
}

function credentialParts(path: string, { cluster, user }: ContextParts): CredentialParts {
  const folder = dirname(path);
  const file = (value: Json | undefined): TextOrFile | undefined =>
    typeof value === "string" && value !== "" ? { file: resolve(folder, value) } : undefined;
  const data = (value: Json | undefined): TextOrFile | undefined =>
    typeof value === "string" && value !== "" ? { text: Buffer.from(value, "base64").toString("utf8") } : undefined;
  const { token, username, password } = user as Readonly<Record<string, Json | undefined>>;
  const servername = cluster["tls-server-name"];
  return {
    token: typeof token === "string" && token !== "" ? { text: token } : file(user["tokenFile"]),
    ca: data(cluster["certificate-authority-data"]) ?? file(cluster["certificate-authority"]),
    cert: data(user["client-certificate-data"]) ?? file(user["client-certificate"]),
    key: data(user["client-key-data"]) ?? file(user["client-key"]),
    basic:
      typeof username === "string" && typeof password === "string"
        ? Buffer.from(`${username}:${password}`).toString("base64")
        : undefined,
    servername: typeof servername === "string" ? servername : undefined,
    rejectUnauthorized: cluster["insecure-skip-tls-verify"] === true ? false : undefined,
  };
}
