// SPDX-License-Identifier: Apache-2.0
import type { LogLevels } from "../log/log-levels.ts";
import { EXPOSITION_TYPES } from "../metrics/exposition.ts";
import type { MetricsRegistry } from "../metrics/metrics.ts";
import { telemetryErrors } from "../errors.ts";
import { wantsOpenMetrics } from "./negotiate.ts";
import type { Readiness } from "./readiness.ts";
import { escapeHtml, type AdminAnswer, type AdminRequest, type AdminRoute } from "./route.ts";

/** `/metrics` and `/stats/prometheus`, any method, in the format the Accept header asks for. */
export function metricsRoutes(metrics: MetricsRegistry): readonly AdminRoute[] {
  const handle = async ({ headers }: AdminRequest): Promise<AdminAnswer> => {
    const format = wantsOpenMetrics(headers.accept) ? "openmetrics" : "prometheus";
    return { contentType: EXPOSITION_TYPES[format], headers: { vary: "accept" }, body: await metrics.render(format) };
  };
  return ["/metrics", "/stats/prometheus"].map((path) => ({ path, methods: "any", description: "metrics", handle }));
}

/** 200 `ready`, or 500 with the names of what is not ready yet. Default path: ztunnel's. */
export function readinessRoute(readiness: Readiness, path = "/healthz/ready"): AdminRoute {
  return {
    path,
    methods: ["GET"],
    description: "readiness",
    handle: () =>
      readiness.pending.length === 0
        ? { body: "ready\n" }
        : { status: 500, body: `not ready, pending: ${readiness.pending.join(", ")}\n` },
  };
}

const LOGGING_HELP = `usage: POST /logging                               show the filter
       POST /logging?level=<level>                 one level for all scopes
       POST /logging?level=<scope>=<level>,...     levels for some scopes
       POST /logging?reset                         back to the filter of the start
levels: error, warn, info, debug, trace, off
`;

/** Shows and changes log levels, as ztunnel's `/logging`: `?level=` adds to the filter, `?reset` starts over. */
export function loggingRoute(levels: LogLevels): AdminRoute {
  return {
    path: "/logging",
    methods: ["POST"],
    description: `log levels\n${LOGGING_HELP}`,
    handle({ query }) {
      try {
        const filter = query.getAll("level").join(",");
        if (query.has("reset")) levels.reset(filter);
        else levels.append(filter);
      } catch (error) {
        if (!telemetryErrors.is(error, "LOG_FILTER_INVALID")) throw error;
        return { status: 400, body: `${error.message}\n${LOGGING_HELP}` };
      }
      return { body: `current log level is ${String(levels)}\n` };
    },
  };
}

/** Begins the shutdown and answers at once. */
export function quitRoute(onQuit: () => void): AdminRoute {
  return {
    path: "/quitquitquit",
    methods: ["POST"],
    description: "shut down",
    handle() {
      onQuit();
      return { body: "shutdown now\n" };
    },
  };
}

/** What a JSON dump shows. */
export interface JsonRouteOptions {
  readonly path: string;
  readonly description: string;
  readonly dump: (request: AdminRequest) => unknown;
}

/** Any method; indented JSON with the keys of every level in alphabetical order, as ztunnel's `/config_dump`. */
export function jsonRoute(options: JsonRouteOptions): AdminRoute {
  return {
    path: options.path,
    methods: "any",
    description: options.description,
    handle: async (request) => ({
      contentType: "application/json",
      body: `${JSON.stringify(await options.dump(request), withSortedKeys, 2) ?? "null"}\n`,
    }),
  };
}

function withSortedKeys(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `/`: a list of the other routes. */
export function indexRoute(title: string, routes: readonly AdminRoute[]): AdminRoute {
  const items = routes.map(({ path, description }) => {
    const [summary = ""] = description.split("\n");
    return `<li><a href="${escapeHtml(path)}">${escapeHtml(path)}</a> ${escapeHtml(summary)}</li>`;
  });
  const name = escapeHtml(title);
  const body = `<!doctype html><meta charset="utf-8"><title>${name}</title><h1>${name}</h1><ul>\n${items.join("\n")}\n</ul>\n`;
  return {
    path: "/",
    methods: ["GET"],
    description: "this page",
    handle: () => ({ contentType: "text/html; charset=utf-8", body }),
  };
}
