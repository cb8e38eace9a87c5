// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import type { TaskGroup } from "@ambientmesh/core";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { kubeErrors } from "../../errors.ts";
import { statusOf } from "../../status/status.ts";
import { VERSION_INFO } from "../discovery/documents.ts";
import type { UserInfo } from "../objects/scope.ts";
import type { ApiDeps, ApiRequest, ApiResponse } from "./api-request.ts";
import { noSuchResource } from "./call.ts";
import { addDiscoveryRoutes } from "./discovery-routes.ts";
import { handleResource } from "./resource-handler.ts";
import type { PreparedWatch, WatchOptions } from "./watch-handler.ts";
import { streamWatch } from "./watch-stream.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; set before the body is read. */
    kubeUser: UserInfo | null;
  }
}

/** What the HTTP side is configured with. */
export interface ApiServerOptions extends WatchOptions {
  readonly maxBodyBytes: number;
  readonly bookmarkMs: number;
}

// What anybody may ask, as in Kubernetes: health and version.
const HEALTH_PATHS = ["/healthz", "/livez", "/readyz"];
const PUBLIC_PATHS = new Set([...HEALTH_PATHS, "/version"]);

/** The API over HTTP, to be put behind any number of node HTTP servers. Watches run in `tasks`. */
export async function createApiHandler(
  deps: ApiDeps,
  tasks: TaskGroup,
  options: ApiServerOptions,
): Promise<RequestListener> {
  const app = fastify({ logger: false, bodyLimit: options.maxBodyBytes, exposeHeadRoutes: false });
  app.decorateRequest("kubeUser", null);
  app.addHook("onRequest", (request, _reply, done) => done(refusalOfSender(deps, request)));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error, _request, reply) => sendFailure(deps, reply, error));
  app.setNotFoundHandler((_request, reply) => sendFailure(deps, reply, noSuchResource()));
  for (const path of HEALTH_PATHS) app.get(path, (_request, reply) => reply.type("text/plain").send("ok"));
  app.get("/version", () => VERSION_INFO);
  addDiscoveryRoutes(app, deps.kinds);
  addResourceRoutes(app, deps, options, (reply, watch) => {
    reply.hijack();
    tasks.run("watch", (signal) =>
      streamWatch(reply.raw, watch, { clock: deps.clock, signal, bookmarkMs: options.bookmarkMs }),
    );
  });
  await app.ready();
  return (request, response) => app.routing(request, response);
}

function refusalOfSender(deps: ApiDeps, request: FastifyRequest): Error | undefined {
  const user = deps.authenticator.ofRequest(request.raw);
  const [pathname = ""] = request.url.split("?");
  if (user === undefined && !PUBLIC_PATHS.has(pathname)) {
    return kubeErrors.create(
      "KUBE_UNAUTHORIZED",
      "Unauthorized: the request carries no token or certificate that is valid here",
    );
  }
  request.kubeUser = user ?? null;
  return undefined;
}

function addResourceRoutes(
  app: FastifyInstance,
  deps: ApiDeps,
  options: WatchOptions,
  stream: (reply: FastifyReply, watch: PreparedWatch) => void,
): void {
  const handle = (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const handled = handleResource(deps, apiRequestOf(request), options);
    if (handled.kind === "answer") return sendResponse(reply, handled.response);
    stream(reply, handled.watch);
    return reply;
  };
  const method = ["GET", "POST", "PUT", "PATCH", "DELETE"];
  app.route({ method, url: "/api/:version/*", handler: handle });
  app.route({ method, url: "/apis/:group/:version/*", handler: handle });
}

function apiRequestOf(request: FastifyRequest): ApiRequest {
  const [pathname = "", ...query] = request.url.split("?");
  const { accept, "content-type": contentType, "user-agent": userAgent } = request.headers;
  if (request.kubeUser === null) throw kubeErrors.create("KUBE_UNAUTHORIZED", "Unauthorized");
  return {
    method: request.method,
    pathname,
    query: new URLSearchParams(query.join("?")),
    accept,
    contentType,
    userAgent,
    body: Buffer.isBuffer(request.body) ? request.body : undefined,
    user: request.kubeUser,
  };
}

function sendResponse(reply: FastifyReply, { httpStatus, body, warnings }: ApiResponse): FastifyReply {
  for (const warning of warnings) void reply.header("warning", warningHeader(warning));
  return reply.code(httpStatus).type("application/json").send(JSON.stringify(body));
}

/** RFC 7234 5.5, as Kubernetes uses it; only printable ASCII gets into a header. */
function warningHeader(text: string): string {
  return `299 - "${text.replaceAll(/["\\]/g, "\\$&").replaceAll(/[^\x20-\x7e]/g, "?")}"`;
}

function sendFailure(deps: ApiDeps, reply: FastifyReply, failure: unknown): FastifyReply {
  const { httpStatus, body } = statusOf(ofFastify(failure));
  if (httpStatus >= 500) deps.logger.error("a request failed", { error: failure });
  const seconds = body.details?.retryAfterSeconds;
  if (seconds !== undefined) void reply.header("retry-after", String(seconds));
  return reply.code(httpStatus).type("application/json").send(JSON.stringify(body));
}

/** Refusals of the HTTP library itself, in the words of the API. */
function ofFastify(failure: unknown): unknown {
  if (!(failure instanceof Error) || !("statusCode" in failure)) return failure;
  if (failure.statusCode === 413)
    return kubeErrors.create("KUBE_TOO_LARGE", "Request entity too large", { cause: failure });
  return failure.statusCode === 400
    ? kubeErrors.create("KUBE_BAD_REQUEST", failure.message, { cause: failure })
    : failure;
}
