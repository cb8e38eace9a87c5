// SPDX-License-Identifier: Apache-2.0
import type { ConfigReader } from "@ambientmesh/core";
import { messageOf } from "@ambientmesh/core";
import { parse } from "yaml";

/** The settings that Istio keeps in YAML: `defaultConfig` of the mesh config, overridden by PROXY_CONFIG. */
export interface ProxyConfig {
  readonly discoveryAddress?: string;
  readonly proxyAdminPort?: number;
  readonly statsPort?: number;
  readonly concurrency?: number;
  readonly proxyMetadata: Readonly<Record<string, string>>;
}

/** Where Istio's chart mounts the mesh config, relative to the working directory. */
export const MESH_CONFIG_PATH = "./etc/istio/config/mesh";

const MAX_PORT = 65_535;
type Yaml = Readonly<Record<string, unknown>>;

/** Reads both documents; what is wrong with them goes to the reader's problems. */
export function readProxyConfig(
  reader: ConfigReader,
  meshConfig: string | undefined,
  proxyConfig: string,
): ProxyConfig {
  const mesh = documentOf(reader, MESH_CONFIG_PATH, meshConfig ?? "")["defaultConfig"];
  const base = partOf(reader, `${MESH_CONFIG_PATH} defaultConfig`, isRecord(mesh) ? mesh : {});
  const override = partOf(reader, "PROXY_CONFIG", documentOf(reader, "PROXY_CONFIG", proxyConfig));
  return { ...base, ...override, proxyMetadata: { ...base.proxyMetadata, ...override.proxyMetadata } };
}

function isRecord(value: unknown): value is Yaml {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function documentOf(reader: ConfigReader, source: string, text: string): Yaml {
  if (text.trim() === "") return {};
  try {
    const document: unknown = parse(text);
    if (isRecord(document)) return document;
    reader.problem(`${source} is not a YAML mapping`);
  } catch (error) {
    reader.problem(`${source} is not YAML: ${messageOf(error).split("\n", 1)[0]}`);
  }
  return {};
}

function partOf(reader: ConfigReader, source: string, yaml: Yaml): ProxyConfig {
  const number = (key: string, max: number): number | undefined => {
    const value = yaml[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max) return value;
    reader.problem(`${source}: ${key} is not a whole number from 0 to ${max}`);
    return undefined;
  };
  const address = yaml["discoveryAddress"] ?? undefined;
  if (address !== undefined && typeof address !== "string") reader.problem(`${source}: discoveryAddress is not a text`);
  return defined({
    discoveryAddress: typeof address === "string" ? address : undefined,
    proxyAdminPort: number("proxyAdminPort", MAX_PORT),
    statsPort: number("statsPort", MAX_PORT),
    concurrency: number("concurrency", 4096),
    proxyMetadata: metadataOf(reader, source, yaml["proxyMetadata"]),
  });
}

function metadataOf(reader: ConfigReader, source: string, value: unknown): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) {
    reader.problem(`${source}: proxyMetadata is not a mapping`);
    return {};
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key.replace(/^ISTIO_META_/, ""), String(entry)]),
  );
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function defined<T extends { readonly proxyMetadata: ProxyConfig["proxyMetadata"] }>(
  values: T,
): Defined<T> & Pick<T, "proxyMetadata"> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T> &
    Pick<T, "proxyMetadata">;
}
