// SPDX-License-Identifier: Apache-2.0
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import fastify, { type FastifyInstance } from "fastify";
import type { CounterSeries, Logger, Metrics, Service } from "@ambientmesh/core";
import type { ServerTlsSource } from "@ambientmesh/xds";
import type { ListenAddress } from "../config/listen-address.ts";
import {
  admissionAnswer,
  judge,
  readAdmissionRequest,
  type AdmissionOptions,
  type AdmissionRequest,
} from "./admission-review.ts";

export interface WebhookServerDeps {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tls: ServerTlsSource;
}

export interface WebhookServerOptions extends AdmissionOptions {
  readonly address: ListenAddress;
  readonly minTlsVersion: "TLSv1.2" | "TLSv1.3";
}

/** A review holds an object twice, and etcd's limit is 1.5 MiB. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
const IDLE_TIMEOUT_MS = 90_000;

/** Answers the API server's questions about Istio's objects: POST /validate. */
export class WebhookServer implements Service {
  readonly #deps: WebhookServerDeps;
  readonly #options: WebhookServerOptions;
  readonly #stack = new AsyncDisposableStack();
  #app: FastifyInstance<Server> | undefined;

  constructor(deps: WebhookServerDeps, options: WebhookServerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Where it listens, once it is started. */
  get address(): AddressInfo | undefined {
    return this.#app?.server.address() as AddressInfo | undefined;
  }

  async start(): Promise<void> {
    const { tls, logger } = this.#deps;
    const { address, minTlsVersion } = this.#options;
    const app = fastify({
      https: { ...this.#secrets(), minVersion: minTlsVersion },
      bodyLimit: MAX_BODY_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      forceCloseConnections: true,
    });
    this.#app = app;
    this.#stack.defer(() => app.close());
    this.#stack.use(
      tls.subscribe(() => app.server.setSecureContext({ ...this.#secrets(), minVersion: minTlsVersion })),
    );
    this.#addRoutes(app);
    await app.listen({ host: address.host, port: address.port });
    logger.info("webhook listens", { address: address.host, port: this.address?.port });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #secrets(): { readonly key: string | Buffer; readonly cert: string | Buffer } {
    const { key, certificates } = this.#deps.tls.current();
    return { key, cert: certificates };
  }

  #addRoutes(app: FastifyInstance<Server>): void {
    const count = webhookMetrics(this.#deps.metrics);
    app.setErrorHandler((error: { readonly statusCode?: number; readonly message: string }, _request, reply) => {
      const status = error.statusCode ?? 500;
      count.httpError(status);
      this.#deps.logger.warn("webhook request can't be answered", { status, reason: error.message });
      return reply.code(status).send({ error: error.message });
    });
    for (const path of ["/validate", "/validate/*"]) {
      app.post(path, (request, reply) => {
        const asked = readAdmissionRequest(request.body);
        if (!asked) {
          count.httpError(400);
          return reply.code(400).send({ error: "the body is no admission.k8s.io/v1 AdmissionReview" });
        }
        const verdict = judge(asked, this.#options);
        count.verdict(asked, verdict.isAllowed);
        return reply.send(admissionAnswer(asked.uid, verdict));
      });
    }
  }
}

interface WebhookMetrics {
  verdict(request: AdmissionRequest, isAllowed: boolean): void;
  httpError(status: number): void;
}

/** Istio's names. */
function webhookMetrics(metrics: Metrics): WebhookMetrics {
  const labels = ["group", "resource"] as const;
  const passed = metrics.counter({ name: "galley_validation_passed", help: "Objects that were let through.", labels });
  const failed = metrics.counter({ name: "galley_validation_failed", help: "Objects that were refused.", labels });
  const errors = metrics.counter({
    name: "galley_validation_http_error",
    help: "Requests to the webhook that could not be answered.",
    labels: ["status"],
  });
  return {
    verdict: ({ resource: { group, resource } }, isAllowed) => {
      const series: CounterSeries = (isAllowed ? passed : failed).with(bounded(group, resource));
      series.add();
    },
    httpError: (status) => errors.with({ status: String(status) }).add(),
  };
}

/** Anybody who reaches the port can name groups and resources; metrics know Istio's only. */
function bounded(group: string, resource: string): { readonly group: string; readonly resource: string } {
  const isKnown = /^(?:security|networking|telemetry)\.istio\.io$/.test(group) && /^[a-z]{1,30}$/.test(resource);
  return isKnown && RESOURCES.has(resource) ? { group, resource } : { group: "other", resource: "other" };
}

const RESOURCES: ReadonlySet<string> = new Set([
  "authorizationpolicies",
  "peerauthentications",
  "requestauthentications",
  "serviceentries",
  "workloadentries",
  "destinationrules",
  "virtualservices",
  "telemetries",
]);
