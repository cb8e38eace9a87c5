// SPDX-License-Identifier: Apache-2.0
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import {
  abortedError,
  messageOf,
  silentLogger,
  systemClock,
  type Clock,
  type Logger,
  type Service,
} from "@ambientmesh/core";
import { telemetryErrors } from "../errors.ts";
import { encodeBody } from "./negotiate.ts";
import type { AdminAnswer, AdminRoute } from "./route.ts";
import { indexRoute } from "./routes.ts";

/** An address to serve on. */
export interface AdminListener {
  /** An IP address. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Left out, with a log line, where the machine does not have the address (::1 without IPv6). */
  readonly isOptional?: boolean;
}

/** What an admin server is made with. */
export interface AdminServerDeps {
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Where an admin server listens, and its routes. */
export interface AdminServerOptions {
  readonly listeners: readonly AdminListener[];
  readonly routes: readonly AdminRoute[];
  /** If given, `/` lists the routes under this title. */
  readonly title?: string;
  /** How long disposing waits for requests that still run, in ms. Default 2000. */
  readonly drainMs?: number;
}

/** A running admin server. */
export interface AdminServer extends Service {
  /** Where it serves; empty before it is started and after it was disposed. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
}

/** 127.0.0.1 and, where there is one, ::1. */
export function loopback(port: number): readonly AdminListener[] {
  return [
    { host: "127.0.0.1", port },
    { host: "::1", port, isOptional: true },
  ];
}

/** ztunnel's limits for headers; the others keep a loopback service small. */
const LIMITS = {
  headersTimeoutMs: 2000,
  maxHeaderBytes: 8 * 1024,
  requestTimeoutMs: 10_000,
  idleTimeoutMs: 30_000,
  maxBodyBytes: 64 * 1024,
  maxConnections: 512,
} as const;

const MISSING_ADDRESS = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

class Server implements AdminServer {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #options: AdminServerOptions;
  readonly #apps: FastifyInstance[] = [];
  readonly #closing = new AbortController();
  #isStarted = false;

  constructor(deps: AdminServerDeps, options: AdminServerOptions) {
    this.#logger = deps.logger ?? silentLogger;
    this.#clock = deps.clock ?? systemClock;
    this.#options = options;
  }

  get addresses(): readonly { readonly host: string; readonly port: number }[] {
    return this.#apps.flatMap((app) => app.addresses().map(({ address, port }) => ({ host: address, port })));
  }

  async start(signal?: AbortSignal): Promise<void> {
    if (this.#isStarted || this.#closing.signal.aborted) {
      throw telemetryErrors.create("ADMIN_STARTED_TWICE", "the admin server can be started once only");
    }
    this.#isStarted = true;
    try {
      for (const listener of this.#options.listeners) {
        if (signal?.aborted) throw abortedError(signal, "starting the admin server");
        await this.#listen(listener);
      }
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    const force = (): void => this.#apps.forEach((app) => app.server.closeAllConnections());
    using _deadline = this.#clock.setTimer(this.#options.drainMs ?? 2000, force);
    await Promise.all(this.#apps.map((app) => app.close()));
    this.#apps.length = 0;
  }

  async #listen({ host, port, isOptional }: AdminListener): Promise<void> {
    const app = this.#createApp();
    try {
      await app.listen({ host, port });
      this.#apps.push(app);
    } catch (error) {
      await app.close();
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (isOptional && MISSING_ADDRESS.has(code)) {
        this.#logger.debug("admin address is not there", { host, port, error });
        return;
      }
      throw telemetryErrors.create("ADMIN_LISTEN_FAILED", `can't serve on ${host} port ${port}: ${messageOf(error)}`, {
        cause: error,
        details: { host, port },
      });
    }
  }

  #createApp(): FastifyInstance {
    const app = fastify({
      bodyLimit: LIMITS.maxBodyBytes,
      requestTimeout: LIMITS.requestTimeoutMs,
      keepAliveTimeout: LIMITS.idleTimeoutMs,
      forceCloseConnections: "idle",
      http: {
        maxHeaderSize: LIMITS.maxHeaderBytes,
        headersTimeout: LIMITS.headersTimeoutMs,
        // Node looks for late headers at this pace only; its default of 30 s would make the limit meaningless.
        connectionsCheckingInterval: 500,
      },
    });
    app.server.maxConnections = LIMITS.maxConnections;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", { parseAs: "string" }, (_request, body, done) => done(null, body));
    app.addHook("onRequest", refuseForeignPages);
    app.setNotFoundHandler((_request, reply) => sendText(reply, 404, "not found\n"));
    app.setErrorHandler((error, request, reply) => this.#sendError(error, request, reply));
    const { routes, title } = this.#options;
    for (const route of title === undefined ? routes : [...routes, indexRoute(title, routes)]) {
      app.all(route.path, (request, reply) => this.#serve(route, request, reply));
    }
    return app;
  }

  async #serve(route: AdminRoute, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const method = request.method === "HEAD" ? "GET" : request.method;
    if (route.methods !== "any" && !route.methods.some((allowed) => allowed === method)) {
      return sendText(
        reply.header("allow", route.methods.join(", ")),
        405,
        `method not allowed: ${route.description}\n`,
      );
    }
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    const [path = "", ...query] = request.url.split("?");
    const answer = await route.handle({
      method: request.method,
      path,
      query: new URLSearchParams(query.join("?")),
      headers: request.headers,
      // Of the socket: what headers say of forwarded clients is not believed.
      remoteAddress: request.socket.remoteAddress ?? "",
      body: typeof request.body === "string" ? request.body : "",
      signal: AbortSignal.any([gone.signal, this.#closing.signal]),
    });
    return sendAnswer(answer, request, reply);
  }

  #sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 500;
    if (status >= 400 && status < 500) return sendText(reply, status, `${messageOf(error)}\n`);
    this.#logger.error("admin request failed", { method: request.method, path: request.url, error });
    return sendText(reply, 500, "internal error, see the log\n");
  }
}

/**
 * Other web pages open in a user's browser must not change anything through a forwarded admin port: a browser tells where
 * such a request comes from, programs send no Origin.
 */
async function refuseForeignPages(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const { origin, host } = request.headers;
  if (origin === undefined || request.method === "GET" || request.method === "HEAD") return undefined;
  const isOwn = URL.canParse(origin) && new URL(origin).host === host;
  return isOwn ? undefined : sendText(reply, 403, "requests from other web pages are refused\n");
}

function sendText(reply: FastifyReply, status: number, body: string): FastifyReply {
  return reply.code(status).type("text/plain; charset=utf-8").header("x-content-type-options", "nosniff").send(body);
}

async function sendAnswer(answer: AdminAnswer, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { body, encoding } = await encodeBody(Buffer.from(answer.body), request.headers["accept-encoding"]);
  if (encoding !== undefined) reply.header("content-encoding", encoding);
  return reply
    .code(answer.status ?? 200)
    .headers({ "x-content-type-options": "nosniff", ...answer.headers })
    .type(answer.contentType ?? "text/plain; charset=utf-8")
    .send(body);
}

/**
 * A small HTTP server for operators and kubelets, on one or several addresses.
 *
 * @example
 * await using server = createAdminServer({ logger }, { listeners: loopback(15000), title: "ztunnel", routes: [
 *   ...metricsRoutes(metrics), loggingRoute(levels), quitRoute(() => drain.begin(5000)) ] });
 * await server.start();
 */
export function createAdminServer(deps: AdminServerDeps, options: AdminServerOptions): AdminServer {
  return new Server(deps, options);
}
