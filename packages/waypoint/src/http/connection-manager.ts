// SPDX-License-Identifier: Apache-2.0
import type { Server } from "node:http";
import type { ServerHttp2Session } from "node:http2";
import type { Duplex } from "node:stream";
import { messageOf, type Logger } from "@ambientmesh/core";
import type { HttpFilter } from "../filters/filter.ts";
import type { RouteTable } from "../route/route-table.ts";
import type { ClusterChoice } from "../route/forward.ts";
import type { RouterDeps, RouterOptions } from "../router/forwarding.ts";
import { routeRequest } from "../router/route-request.ts";
import { newRecord, type ConnectionFacts, type RequestRecord } from "../telemetry/request-record.ts";
import { detectHttp2 } from "./detect.ts";
import type { Downstream } from "./downstream.ts";
import { Exchange, type ResponseManners } from "./exchange.ts";
import { createH1Server } from "./h1-server.ts";
import { serveH2, type H2ServerOptions } from "./h2-server.ts";
import { prepareRequest, type RequestManners } from "./prepare-request.ts";

/** A connection manager's settings. */
export interface ManagerConfig {
  readonly codec: "auto" | "http1" | "http2";
  readonly request: RequestManners;
  readonly response: ResponseManners;
  readonly http2: Omit<H2ServerOptions, "maxHeaderOctets" | "maxHeaders" | "idleTimeoutMs">;
  readonly idleTimeoutMs: number | undefined;
  readonly router: RouterOptions & { readonly upgrades: ReadonlyMap<string, boolean> };
  readonly filters: readonly HttpFilter[];
  readonly routes: () => RouteTable | undefined;
  readonly accessLogs: readonly ((record: RequestRecord) => void)[];
}

/** What a manager is made with. */
export interface ManagerDeps extends RouterDeps {
  readonly logger: Logger;
  /** Hears of each request that has ended. */
  readonly onRequest: (record: RequestRecord) => void;
}

/** Serves the HTTP requests of connections that are handed to it. */
export class ConnectionManager {
  readonly #config: ManagerConfig;
  readonly #deps: ManagerDeps;
  readonly #server: Server;
  readonly #facts = new WeakMap<Duplex, ConnectionFacts>();
  readonly #sockets = new Set<Duplex>();
  readonly #sessions = new Set<ServerHttp2Session>();
  #isDraining = false;

  constructor(config: ManagerConfig, deps: ManagerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#server = createH1Server({
      maxHeaderOctets: config.request.maxHeaderOctets,
      idleTimeoutMs: config.idleTimeoutMs,
      refusalHeaders: () => [
        ["date", new Date(deps.clock.now()).toUTCString()],
        ["server", config.response.serverName ?? "envoy"],
      ],
      onRequest: (downstream, connection) => this.#take(downstream, connection),
    });
  }

  /** True without any connection. */
  get isIdle(): boolean {
    return this.#sockets.size === 0;
  }

  /** Takes a connection, which belongs to the manager from now on. */
  serve(socket: Duplex, facts: ConnectionFacts): void {
    this.#facts.set(socket, facts);
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    const { codec } = this.#config;
    if (codec === "auto") detectHttp2(socket, (isHttp2) => (isHttp2 ? this.#serveH2(socket) : this.#serveH1(socket)));
    else if (codec === "http2") this.#serveH2(socket);
    else this.#serveH1(socket);
  }

  /** Requests under way are answered, with the word to ask elsewhere from then on; idle connections close. */
  drain(): void {
    this.#isDraining = true;
    this.#server.closeIdleConnections();
    for (const session of this.#sessions) session.close();
  }

  /** Ends everything at once. */
  destroy(): void {
    this.drain();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serveH1(socket: Duplex): void {
    this.#server.emit("connection", socket);
  }

  #serveH2(socket: Duplex): void {
    const { http2, request, idleTimeoutMs } = this.#config;
    const { maxHeaderOctets, maxHeaders } = request;
    const session = serveH2(socket, { ...http2, maxHeaderOctets, maxHeaders, idleTimeoutMs }, (downstream) =>
      this.#take(downstream, socket),
    );
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
    if (this.#isDraining) session.close();
  }

  #take(downstream: Downstream, socket: Duplex): void {
    const { clock, logger } = this.#deps;
    const facts = this.#facts.get(socket);
    if (!facts) return downstream.reset();
    const record = newRecord(facts, downstream.head, { ms: clock.now(), monotonicMs: clock.monotonicMs() });
    this.#run(downstream, record).catch((error: unknown) => {
      logger.error("a request failed within the proxy", { error, path: record.originalPath });
      record.details = `internal_error{${messageOf(error)}}`;
      downstream.reset();
    });
  }

  async #run(downstream: Downstream, record: RequestRecord): Promise<void> {
    const { filters, router, response } = this.#config;
    const { clock, random } = this.#deps;
    const refusal = prepareRequest(record, this.#config.request);
    const route = refusal ? undefined : this.#config.routes()?.select(downstream.head, random());
    const exchange = new Exchange({ downstream, record, route }, this.#manners(response), clock);
    exchange.closed.addEventListener("abort", () => this.#ended(record), { once: true });
    record.routeName = route?.name ?? "";
    if (refusal) return exchange.reply(refusal);
    const choice = route && this.#choose(exchange);
    for (const filter of filters) {
      const reply = await filter.decide(exchange, route?.overrides.get(filter.name));
      if (exchange.closed.aborted) return;
      if (reply) return exchange.reply(reply);
    }
    routeRequest(exchange, choice, this.#deps, router);
  }

  #choose({ route, head, record }: Exchange): ClusterChoice | undefined {
    if (route?.target.kind !== "forward") return undefined;
    const choice = route.target.choose(head, this.#deps.random());
    record.cluster = choice.cluster;
    return choice;
  }

  #manners(response: ResponseManners): ResponseManners {
    return this.#isDraining ? { ...response, isClosing: true } : response;
  }

  #ended(record: RequestRecord): void {
    record.durationMs = this.#deps.clock.monotonicMs() - record.startMonotonicMs;
    for (const write of this.#config.accessLogs) write(record);
    this.#deps.onRequest(record);
  }
}
