// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS } from "@ambientmesh/api";
import { parseTrustDomain, spiffeErrors } from "@ambientmesh/spiffe";
import { parseDocument } from "yaml";
import { isIgnoredMeshKey, meshKey } from "./mesh-config-keys.ts";

/** What this control plane follows of Istio's MeshConfig. */
export interface MeshConfig {
  /** Authority part of every identity; default cluster.local. */
  readonly trustDomain: string;
  /** Where mesh-wide policies live; default: the namespace of istiod. */
  readonly rootNamespace: string;
}

/** The outcome of reading a MeshConfig document. */
export interface MeshConfigReading {
  readonly meshConfig: MeshConfig;
  /** Keys of Istio that have no effect here. */
  readonly warnings: readonly string[];
  /** Why the document can't be used: among others each key that Istio doesn't know either. */
  readonly problems: readonly string[];
}

const LIMIT_CHARACTERS = 1_048_576;
const NAMESPACE = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Reads a MeshConfig document; nothing in it is an empty document. `file` names it in messages. */
export function parseMeshConfig(text: string, file: string, systemNamespace: string): MeshConfigReading {
  const problems: string[] = [];
  const warnings: string[] = [];
  const root = Object.fromEntries(
    Object.entries(readMapping(text, file, problems)).map(([key, value]) => [meshKey(key), value]),
  );
  const read = (key: keyof MeshConfig, fallback: string, isValid: (text: string) => boolean): string => {
    const value = root[key];
    if (value === undefined || value === null || value === "") return fallback;
    if (typeof value === "string" && isValid(value)) return value;
    problems.push(
      `${file}: ${key}: ${JSON.stringify(value)} is not a ${key === "trustDomain" ? "trust domain" : "namespace"}`,
    );
    return fallback;
  };
  const meshConfig: MeshConfig = {
    trustDomain: read("trustDomain", DEFAULTS.TRUST_DOMAIN, isTrustDomain),
    rootNamespace: read("rootNamespace", systemNamespace, (text) => NAMESPACE.test(text)),
  };
  for (const key of Object.keys(root)) {
    if (key in meshConfig) continue;
    if (isIgnoredMeshKey(key)) warnings.push(`${file}: ${key} has no effect in this version`);
    else problems.push(`${file}: ${key} is no field of MeshConfig; correct or remove it`);
  }
  return { meshConfig, warnings, problems };
}

function isTrustDomain(text: string): boolean {
  try {
    parseTrustDomain(text);
    return true;
  } catch (error) {
    if (spiffeErrors.is(error, "SPIFFE_ID_INVALID")) return false;
    throw error;
  }
}

function readMapping(text: string, file: string, problems: string[]): Readonly<Record<string, unknown>> {
  if (text.length > LIMIT_CHARACTERS) {
    problems.push(`${file} is longer than ${LIMIT_CHARACTERS} characters`);
    return {};
  }
  const document = parseDocument(text, { prettyErrors: true });
  for (const { message } of document.errors) problems.push(`${file}: ${message.split("\n")[0] ?? message}`);
  if (document.errors.length > 0) return {};
  const value = document.toJS({ maxAliasCount: 100 }) as unknown;
  if (value === null || value === undefined) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  problems.push(`${file} is not a mapping of keys to values`);
  return {};
}
