// SPDX-License-Identifier: Apache-2.0
import { type RedirectAction, RedirectAction_RedirectResponseCode as Code } from "@ambientmesh/api/envoy/route";
import { unsupported } from "../config/refusal.ts";
import { pathOf, type RequestHead } from "../http/head.ts";
import type { PathMatch } from "./path-match.ts";

/** Where a client is sent instead. */
export interface CompiledRedirect {
  readonly status: number;
  readonly location: (request: RequestHead) => string;
}

const STATUS: Readonly<Record<number, number>> = {
  [Code.MOVED_PERMANENTLY]: 301,
  [Code.FOUND]: 302,
  [Code.SEE_OTHER]: 303,
  [Code.TEMPORARY_REDIRECT]: 307,
  [Code.PERMANENT_REDIRECT]: 308,
};
const DEFAULT_PORT: Readonly<Record<string, string>> = { http: "80", https: "443" };

/** @throws MeshError WAYPOINT_CONFIG_UNSUPPORTED */
export function compileRedirect(redirect: RedirectAction, match: PathMatch, path: string): CompiledRedirect {
  const status = STATUS[redirect.responseCode];
  if (status === undefined) throw unsupported(`${path}.response_code`, `${redirect.responseCode} is not supported`);
  const newPath = compilePath(redirect, match);
  const { schemeRewriteSpecifier: scheme, hostRedirect, portRedirect } = redirect;
  return {
    status,
    location: (request) => {
      const to = scheme.case === "httpsRedirect" && scheme.value ? "https" : schemeOf(scheme, request);
      const authority = authorityOf(request, { to, host: hostRedirect, port: portRedirect });
      return `${to}://${authority}${newPath(request.path)}`;
    },
  };
}

function schemeOf(scheme: RedirectAction["schemeRewriteSpecifier"], request: RequestHead): string {
  return scheme.case === "schemeRedirect" ? scheme.value : request.scheme;
}

/** The port that the client used stays unless the scheme changes and the port was the default of the old one. */
function authorityOf(
  { authority, scheme }: RequestHead,
  target: { readonly to: string; readonly host: string; readonly port: number },
): string {
  const [, name = authority, port] = /^(.*?)(?::(\d+))?$/.exec(authority) ?? [];
  const host = target.host === "" ? name : target.host;
  if (target.port > 0) return `${host}:${target.port}`;
  if (target.host !== "" || port === undefined) return host;
  return target.to !== scheme && port === DEFAULT_PORT[scheme] ? host : `${host}:${port}`;
}

function compilePath({ pathRewriteSpecifier, stripQuery }: RedirectAction, match: PathMatch): (path: string) => string {
  const queryOf = (path: string): string => (stripQuery ? "" : path.slice(pathOf(path).length));
  switch (pathRewriteSpecifier.case) {
    case "pathRedirect": {
      const wanted = pathRewriteSpecifier.value;
      return wanted.includes("?") ? () => wanted : (path) => wanted + queryOf(path);
    }
    case "prefixRewrite": {
      const wanted = pathRewriteSpecifier.value;
      return (path) => wanted + pathOf(path).slice(match.matchedLength(pathOf(path))) + queryOf(path);
    }
    default:
      return (path) => pathOf(path) + queryOf(path);
  }
}
