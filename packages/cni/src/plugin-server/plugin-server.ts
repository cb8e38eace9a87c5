// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { lstat, chmod, mkdir, unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { messageOf, type Clock, type CounterSeries, type Logger, type Metrics, type Service } from "@ambientmesh/core";
import { cniErrors } from "../errors.ts";
import { parseAddRequest, parseDeleteRequest, type AddRequest, type DeleteRequest } from "./plugin-request.ts";

/** Takes the events. */
export interface SandboxEventSink {
  /** Resolves when the pod may start. */
  added(request: AddRequest, signal: AbortSignal): Promise<void>;
  deleted(request: DeleteRequest): Promise<void>;
}

export interface PluginServerDeps {
  readonly sink: SandboxEventSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface PluginServerOptions {
  /** Socket file, for root only. */
  readonly path: string;
  /** How long disposing waits for requests that still run, in ms. Default 2000. */
  readonly drainMs?: number;
}

/** A request is one small JSON object; a node starts at most a few hundred pods at a time. */
const LIMITS = { maxBodyBytes: 64 * 1024, maxConnections: 512, headersTimeoutMs: 2000, requestTimeoutMs: 5000 };

/**
 * The socket of the CNI plugin: HTTP as Istio's agent speaks it. 200: the pod may start. 400: the request makes no sense.
 * 500: it must not start (now). Texts of refusals end up in the events of the pod.
 */
export class PluginServer implements Service {
  readonly #deps: PluginServerDeps;
  readonly #options: PluginServerOptions;
  readonly #server: Server;
  readonly #stopping = new AbortController();
  readonly #requests: (code: number) => CounterSeries;

  constructor(deps: PluginServerDeps, options: PluginServerOptions) {
    this.#deps = deps;
    this.#options = options;
    const counter = deps.metrics.counter<"response_code">({
      name: "istio_cni_plugin_requests_total",
      help: "Requests of the CNI plugin, by the status they were answered with.",
      labels: ["response_code"],
    });
    this.#requests = (code) => counter.with({ response_code: String(code) });
    this.#server = createServer(
      {
        headersTimeout: LIMITS.headersTimeoutMs,
        requestTimeout: LIMITS.requestTimeoutMs,
        connectionsCheckingInterval: 500,
        maxHeaderSize: 8 * 1024,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = LIMITS.maxConnections;
  }

  /** @throws MeshError CNI_SOCKET_IN_USE */
  async start(): Promise<void> {
    const { path } = this.#options;
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await removeStaleSocket(path);
    this.#server.listen(path);
    await once(this.#server, "listening");
    await chmod(path, 0o600);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeIdleConnections();
    const force = (): void => this.#server.closeAllConnections();
    using _deadline = this.#deps.clock.setTimer(this.#options.drainMs ?? 2000, force);
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const { status, text } = await this.#answer(request, AbortSignal.any([gone.signal, this.#stopping.signal]));
    this.#requests(status).add();
    if (status >= 500) this.#deps.logger.error("a pod may not start", { reason: text });
    response.writeHead(status, { "content-type": "text/plain; charset=utf-8", connection: "close" }).end(text);
  }

  /** Never rejects. */
  async #answer(request: IncomingMessage, signal: AbortSignal): Promise<{ status: number; text: string }> {
    const { sink } = this.#deps;
    try {
      if (request.method !== "POST") return { status: 405, text: "only POST is taken here" };
      if (request.url === "/cmdadd") await sink.added(parseAddRequest(await readBody(request)), signal);
      else if (request.url === "/cmddel") await sink.deleted(parseDeleteRequest(await readBody(request)));
      else return { status: 404, text: "there is only /cmdadd and /cmddel here" };
      return { status: 200, text: "" };
    } catch (error) {
      return { status: cniErrors.is(error, "CNI_REQUEST_INVALID") ? 400 : 500, text: messageOf(error) };
    }
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > LIMITS.maxBodyBytes) {
      throw cniErrors.create("CNI_REQUEST_INVALID", `the request is longer than ${LIMITS.maxBodyBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** What a dead agent left is removed; a living one is not. @throws MeshError CNI_SOCKET_IN_USE */
async function removeStaleSocket(path: string): Promise<void> {
  const stat = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (!stat) return;
  if (stat.isSocket() && !(await isAnswered(path))) {
    await unlink(path);
    return;
  }
  const owner = stat.isSocket() ? "another agent answers there" : "the file is no socket";
  throw cniErrors.create("CNI_SOCKET_IN_USE", `can't listen on ${path}: ${owner}`, { details: { path } });
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
