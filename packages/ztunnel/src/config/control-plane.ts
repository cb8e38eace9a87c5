// SPDX-License-Identifier: Apache-2.0
import type { ConfigReader } from "@ambientmesh/core";
import type { ControlPlaneConfig, RootSource, TokenSource, ZtunnelConfig } from "./model.ts";
import type { ConfigSources } from "./sources.ts";

const ROOT_PATH = "./var/run/secrets/istio/root-cert.pem";
const TOKEN_PATH = "./var/run/secrets/tokens/istio-token";
const SECURE_PORT = 15_012;

/** The two services of the control plane and how this proxy proves who it is. */
export function readControlPlane(
  reader: ConfigReader,
  sources: ConfigSources,
  discoveryAddress: string | undefined,
): Pick<ZtunnelConfig, "xds" | "ca" | "token"> {
  const isInCluster = (sources.env["KUBERNETES_SERVICE_HOST"] ?? "") !== "";
  const fallback =
    discoveryAddress ?? (isInCluster ? "https://istiod.istio-system.svc:15012" : "https://localhost:15012");
  const token = reader.string({
    name: "AUTH_TOKEN",
    default: undefined,
    description: `The service account token: a file (read again for each call) or the token itself. Default: the file ${TOKEN_PATH} if it is there.`,
  });
  return {
    xds: readService(reader, sources, { prefix: "XDS", what: "the control plane's xDS service", fallback }),
    ca: readService(reader, sources, { prefix: "CA", what: "the certificate service", fallback }),
    token: tokenOf(sources, token),
  };
}

interface ServiceVariables {
  readonly prefix: "XDS" | "CA";
  readonly what: string;
  readonly fallback: string;
}

function readService(
  reader: ConfigReader,
  sources: ConfigSources,
  { prefix, what, fallback }: ServiceVariables,
): ControlPlaneConfig | undefined {
  const address = reader.string({
    name: `${prefix}_ADDRESS`,
    default: undefined,
    description: `Address of ${what}. Default: \`discoveryAddress\` of the mesh config, else \`https://istiod.istio-system.svc:15012\` in a cluster and \`https://localhost:15012\` outside. Empty: none.`,
  });
  const root = reader.string({
    name: `${prefix}_ROOT_CA`,
    default: ROOT_PATH,
    description: `What the certificate of ${what} must come from: a PEM file (read again for each connection), PEM text, or SYSTEM for the machine's roots.`,
  });
  const altHostname = reader.string({
    name: `ALT_${prefix}_HOSTNAME`,
    default: undefined,
    description: `A second name that the certificate of ${what} may carry.`,
  });
  if (address === "") return undefined;
  return {
    ...addressOf(reader, `${prefix}_ADDRESS`, address ?? fallback),
    root: rootOf(sources, root),
    altHostname,
    headers: headersOf(sources, `${prefix}_HEADER_`),
  };
}

function addressOf(reader: ConfigReader, name: string, text: string): Pick<ControlPlaneConfig, "host" | "port"> {
  const address = text.includes("://") ? text : `https://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== "https:" || url.hostname === "") {
    reader.problem(`${name}="${text}" is not an https address like https://istiod.istio-system.svc:15012`);
    return { host: "", port: SECURE_PORT };
  }
  // URL leaves the port out where it is the scheme's own.
  return { host: url.hostname.replace(/^\[(.*)\]$/, "$1"), port: url.port === "" ? 443 : Number(url.port) };
}

/** A text that is no PEM is taken for a path, even if nothing is there yet: secrets may be mounted later. */
function rootOf({ files }: ConfigSources, text: string): RootSource {
  if (text === "SYSTEM") return { kind: "system" };
  if (files.exists(text) || !text.includes("-----BEGIN")) return { kind: "file", path: text };
  return { kind: "inline", pem: text };
}

function tokenOf({ files }: ConfigSources, text: string | undefined): TokenSource | undefined {
  if (text === undefined || text === "") {
    return files.exists(TOKEN_PATH) ? { kind: "file", path: TOKEN_PATH } : undefined;
  }
  return files.exists(text) || /^\.{0,2}\//.test(text) ? { kind: "file", path: text } : { kind: "inline", token: text };
}

function headersOf({ env }: ConfigSources, prefix: string): readonly (readonly [string, string])[] {
  return Object.entries(env).flatMap(([name, value]): readonly (readonly [string, string])[] =>
    name.startsWith(prefix) && name !== prefix && value !== undefined ? [[name.slice(prefix.length), value]] : [],
  );
}
