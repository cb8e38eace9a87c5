// SPDX-License-Identifier: Apache-2.0
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { abortedError, messageOf, type Clock } from "@ambientmesh/core";
import { kubeErrors } from "../errors.ts";
import type { KubeAccess } from "./access.ts";
import type { Credentials, TlsSettings } from "./credentials.ts";

/** A request to the API server. */
export interface TransportRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Path with query. */
  readonly path: string;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
  /** The body of the answer comes whenever something happens, as that of a watch. Default false. */
  readonly isStream?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Sends requests; the body of an answer has not been read yet. */
export interface Transport extends Disposable {
  /**
   * Resolves when the headers are there, whatever the status.
   * @throws MeshError KUBE_UNAVAILABLE when there is no connection, KUBE_TIMEOUT, ABORTED.
   */
  send(request: TransportRequest): Promise<IncomingMessage>;
  /** The server refused the credentials of the last request: they are looked up again. */
  invalidateCredentials(): void;
}

/** Limits of a transport. */
export interface TransportOptions {
  readonly userAgent: string;
  /** Media types wanted; default JSON. */
  readonly accept?: string;
  /** Until the headers of an answer, and between pieces of its body (streams aside), in ms. */
  readonly headersTimeoutMs: number;
  /** Connections at a time. */
  readonly maxSockets: number;
}

// Free connections are given up before API servers (90 s) and balancers on the way (60 s) do it.
const FREE_SOCKET_TIMEOUT_MS = 45_000;
// Finds dead peers of silent watches: the kernel probes after this time.
const KEEP_ALIVE_MS = 20_000;

/** HTTP/1.1 over node's own client, with kept connections. One agent per set of TLS settings. */
export class NodeTransport implements Transport {
  readonly #access: KubeAccess;
  readonly #options: TransportOptions;
  readonly #clock: Clock;
  #agent: { readonly agent: HttpAgent; readonly tls: TlsSettings } | undefined;

  constructor(access: KubeAccess, clock: Clock, options: TransportOptions) {
    this.#access = access;
    this.#clock = clock;
    this.#options = options;
  }

  async send(request: TransportRequest): Promise<IncomingMessage> {
    const credentials = await this.#access.credentials.current();
    try {
      return await this.#attempt(request, credentials);
    } catch (error) {
      // The server may close a kept connection just as it is used again; repeating a read is harmless.
      if (request.method !== "GET" || !isStaleConnection(error)) throw error;
      return this.#attempt(request, credentials);
    }
  }

  invalidateCredentials(): void {
    this.#access.credentials.invalidate();
  }

  [Symbol.dispose](): void {
    this.#agent?.agent.destroy();
    this.#agent = undefined;
  }

  async #attempt(request: TransportRequest, credentials: Credentials): Promise<IncomingMessage> {
    if (request.signal?.aborted) throw abortedError(request.signal, describe(request));
    const { server } = this.#access;
    const send = server.protocol === "https:" ? httpsRequest : httpRequest;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const pending = send(this.#requestOptions(request, credentials), resolve);
    const timeoutMs = this.#options.headersTimeoutMs;
    using _timeout = this.#clock.setTimer(timeoutMs, () => pending.destroy(timeoutError(request, timeoutMs)));
    let received: IncomingMessage | undefined;
    const onAbort = (): void => {
      if (request.signal) (received ?? pending).destroy(abortedError(request.signal, describe(request)));
    };
    request.signal?.addEventListener("abort", onAbort, { once: true });
    // The socket's own timer, which starts again with each piece; an in-process stream has none and needs none.
    if (request.isStream !== true && this.#access.connect === undefined) {
      pending.setTimeout(timeoutMs, () => (received ?? pending).destroy(timeoutError(request, timeoutMs)));
    }
    pending.on("error", (error) => reject(this.#failure(request, error, pending.reusedSocket)));
    pending.end(request.body);
    try {
      received = await promise;
      // From here on the reader owns the body; aborting still ends it.
      received.once("close", () => request.signal?.removeEventListener("abort", onAbort));
      return received;
    } catch (error) {
      request.signal?.removeEventListener("abort", onAbort);
      throw error;
    }
  }

  #requestOptions(request: TransportRequest, credentials: Credentials): RequestOptions {
    const { server, connect } = this.#access;
    const prefix = server.pathname === "/" ? "" : server.pathname.replace(/\/$/, "");
    return {
      method: request.method,
      host: server.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: server.port,
      path: prefix + request.path,
      headers: {
        accept: this.#options.accept ?? "application/json",
        "user-agent": this.#options.userAgent,
        ...(request.body !== undefined && {
          "content-type": request.contentType ?? "application/json",
          "content-length": Buffer.byteLength(request.body),
        }),
        ...credentials.headers,
      },
      ...(connect === undefined
        ? { agent: credentials.agent ?? this.#agentFor(credentials.tls) }
        : { createConnection: connect }),
    };
  }

  #agentFor(tls: TlsSettings): HttpAgent {
    if (this.#agent?.tls === tls) return this.#agent.agent;
    // New certificates: connections under the old ones end, watches resume over new ones.
    this.#agent?.agent.destroy();
    const { maxSockets } = this.#options;
    const options = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS, timeout: FREE_SOCKET_TIMEOUT_MS, maxSockets };
    const isTls = this.#access.server.protocol === "https:";
    const agent = isTls ? new HttpsAgent({ ...options, ...tls }) : new HttpAgent(options);
    this.#agent = { agent, tls };
    return agent;
  }

  #failure(request: TransportRequest, error: unknown, wasReused: boolean): Error {
    if (error instanceof Error && "code" in error && ["ABORTED", "KUBE_TIMEOUT"].includes(String(error.code)))
      return error;
    const message = `${describe(request)}: the API server at ${this.#access.server.host} can't be reached: ${messageOf(error)}`;
    return kubeErrors.create("KUBE_UNAVAILABLE", message, { cause: error, retryable: true, details: { wasReused } });
  }
}

function isStaleConnection(error: unknown): boolean {
  return kubeErrors.is(error, "KUBE_UNAVAILABLE") && error.details["wasReused"] === true;
}

const describe = ({ method, path }: TransportRequest): string => `${method} ${path.split("?")[0]}`;

function timeoutError(request: TransportRequest, timeoutMs: number): Error {
  const message = `${describe(request)}: no answer within ${timeoutMs} ms`;
  return kubeErrors.create("KUBE_TIMEOUT", message, { retryable: true });
}
