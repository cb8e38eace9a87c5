// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { messageOf } from "@ambientmesh/core";
import { parse } from "yaml";
import { cniErrors } from "../errors.ts";

/** How to reach and enter an API server. */
export interface ApiAccess {
  readonly server: URL;
  /** PEM; undefined: the machine's authorities. */
  readonly ca: string | undefined;
  readonly token: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  readonly isVerified: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads the current context of a kubeconfig: certificates, keys and tokens, as texts or as files. What needs another
 * program (exec, auth-provider) is not for a plugin that runs as root for every pod.
 * @throws MeshError CNI_KUBECONFIG_INVALID
 */
export function readKubeconfig(path: string): ApiAccess {
  const config = parseFile(path);
  const context = named(config, "contexts", config["current-context"], path)["context"];
  const { cluster: clusterName, user: userName } = (context ?? {}) as Fields;
  const cluster = (named(config, "clusters", clusterName, path)["cluster"] ?? {}) as Fields;
  const user = (named(config, "users", userName, path)["user"] ?? {}) as Fields;
  for (const field of ["exec", "auth-provider", "username"]) {
    if (field in user) throw invalid(path, `user ${String(userName)} has ${field}, which is not supported here`);
  }
  const text = (fields: Fields, field: string): string | undefined => textOrFile(fields, field, path);
  const { server } = cluster;
  if (typeof server !== "string" || !URL.canParse(server)) throw invalid(path, "the cluster has no server");
  return {
    server: new URL(server),
    ca: text(cluster, "certificate-authority"),
    token: typeof user["token"] === "string" ? user["token"] : fileText(user["tokenFile"], path)?.trim(),
    certificate: text(user, "client-certificate"),
    key: text(user, "client-key"),
    isVerified: cluster["insecure-skip-tls-verify"] !== true,
  };
}

function parseFile(path: string): Fields {
  try {
    const value: unknown = parse(readFileSync(path, "utf8"));
    if (typeof value === "object" && value !== null) return value as Fields;
  } catch (error) {
    throw invalid(path, messageOf(error));
  }
  throw invalid(path, "it is empty");
}

function named(config: Fields, list: string, name: unknown, path: string): Fields {
  const entries = Array.isArray(config[list]) ? (config[list] as readonly (Fields | null)[]) : [];
  const found = entries.find((entry) => entry?.["name"] === name);
  if (found) return found;
  throw invalid(path, `${list} has no entry "${String(name)}"`);
}

/** `x-data` in base64, or the file that `x` names. */
function textOrFile(fields: Fields, field: string, path: string): string | undefined {
  const data = fields[`${field}-data`];
  return typeof data === "string" ? Buffer.from(data, "base64").toString("utf8") : fileText(fields[field], path);
}

function fileText(name: unknown, path: string): string | undefined {
  if (typeof name !== "string" || name === "") return undefined;
  try {
    return readFileSync(resolve(dirname(path), name), "utf8");
  } catch (error) {
    throw invalid(path, messageOf(error));
  }
}

function invalid(path: string, problem: string): Error {
  return cniErrors.create("CNI_KUBECONFIG_INVALID", `the kubeconfig ${path} can't be used: ${problem}`, {
    details: { path },
  });
}
