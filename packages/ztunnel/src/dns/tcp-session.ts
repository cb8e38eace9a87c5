// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import type { Clock, Timer } from "@ambientmesh/core";
import type { SocketAddress } from "../net/address.ts";
import { unanswered } from "./ask-udp.ts";
import type { CountedQuestion, DnsMetrics } from "./dns-metrics.ts";
import { frame, FrameSplitter } from "./frames.ts";
import type { MeshNames } from "./mesh-names.ts";
import { parseQuery } from "./query.ts";
import type { NameServerList } from "./resolv-conf.ts";
import { encodeForwardFailure, isFailure } from "./response.ts";
import { HEADER_BYTES } from "./wire.ts";

/** What a session is made with. */
export interface TcpSessionDeps {
  readonly clock: Clock;
  readonly metrics: DnsMetrics;
  readonly names: MeshNames;
  readonly nameServers: NameServerList;
  readonly dial: (server: SocketAddress, signal: AbortSignal) => Promise<Socket>;
}

interface Pending {
  readonly message: Uint8Array;
  readonly question: CountedQuestion;
  readonly askedAtMs: number;
}

/** As ztunnel (Istio 1.31): silence that ends a connection, and answers under way at a time. */
const IDLE_MS = 5000;
const MAX_PENDING = 32;
/** How long anything is waited for that is missing: name servers are dialled one after the other. */
const ANSWER_MS = 20_000;

/**
 * A TCP connection with DNS questions. What the mesh has no answer to goes over one connection to a name server, and all
 * that comes back goes to the client as it is: also the many messages that answer a zone transfer.
 */
export class TcpSession {
  /** Resolves when both connections are closed; never rejects. */
  readonly ended: Promise<void>;
  readonly #client: Socket;
  readonly #deps: TcpSessionDeps;
  readonly #abort: AbortController = new AbortController();
  readonly #frames: FrameSplitter = new FrameSplitter();
  /** Passed on and not answered yet, by id. */
  readonly #pending: Map<number, Pending> = new Map();
  #upstream: Promise<Socket> | undefined;
  /** Questions that are looked at. */
  #active = 0;
  #idle: Timer;

  constructor(client: Socket, deps: TcpSessionDeps) {
    this.#client = client;
    this.#deps = deps;
    this.#idle = this.#startIdle(IDLE_MS);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    client.on("data", (chunk: Buffer) => this.#onData(chunk));
    client.on("drain", () => this.#balance());
    // Whoever has asked his last question still waits for the answers.
    client.on("end", () => this.#balance());
    client.on("error", () => client.destroy());
    client.once("close", () => {
      this.#idle.cancel();
      this.#abort.abort();
      resolve();
    });
    client.resume();
  }

  /** Ends it as soon as no answer is missing. */
  drain(): void {
    if (this.#active === 0 && this.#pending.size === 0) this.#client.end();
  }

  destroy(): void {
    this.#client.destroy();
  }

  #startIdle(delayMs: number): Timer {
    return this.#deps.clock.setTimer(delayMs, () => this.#client.destroy(), { background: true });
  }

  #onData(chunk: Buffer): void {
    for (const message of this.#frames.push(chunk)) {
      this.#active++;
      // Copied: a small question must not keep a whole read alive while it waits.
      void this.#serve(Buffer.from(message)).finally(() => {
        this.#active--;
        this.#balance();
      });
    }
    this.#balance();
  }

  /** Reads on as long as there is room for more answers; closes when all are given to somebody who has no more questions. */
  #balance(): void {
    const missing = this.#active + this.#pending.size;
    this.#idle.cancel();
    if (this.#client.destroyed) return;
    this.#idle = this.#startIdle(missing === 0 ? IDLE_MS : ANSWER_MS);
    if (missing === 0 && this.#client.readableEnded) this.#client.end();
    else if (missing >= MAX_PENDING || this.#client.writableNeedDrain) this.#client.pause();
    else this.#client.resume();
  }

  async #serve(message: Buffer): Promise<void> {
    const { metrics, names } = this.#deps;
    const query = parseQuery(message);
    if (query.kind === "none") {
      this.#client.destroy();
      return;
    }
    const question = names.counted(query, "tcp");
    metrics.requested(question);
    const answer = query.kind === "address" ? await names.answer(message, query, "tcp", this.#abort.signal) : undefined;
    if (answer) this.#send(answer);
    else await this.#forward(query.id, { message, question, askedAtMs: this.#deps.clock.monotonicMs() });
  }

  async #forward(id: number, pending: Pending): Promise<void> {
    this.#deps.metrics.forwarded(pending.question);
    this.#pending.set(id, pending);
    try {
      this.#upstream ??= this.#connect();
      const upstream = await this.#upstream;
      upstream.write(frame(pending.message));
    } catch {
      // Said to the client by an answer, and counted there.
      this.#fail();
    }
  }

  /** The first name server that takes a connection. */
  async #connect(): Promise<Socket> {
    const { nameServers, dial } = this.#deps;
    const { nameServers: candidates } = await nameServers.current();
    let cause: unknown;
    for (const server of candidates) {
      try {
        const upstream = await dial(server, this.#abort.signal);
        this.#follow(upstream);
        return upstream;
      } catch (error) {
        nameServers.silent(server);
        cause = error;
      }
    }
    throw unanswered(candidates, cause);
  }

  #follow(upstream: Socket): void {
    const frames = new FrameSplitter();
    const close = (): void => void upstream.destroy();
    this.#abort.signal.addEventListener("abort", close, { once: true });
    if (this.#abort.signal.aborted) close();
    const onDrain = (): void => void upstream.resume();
    this.#client.on("drain", onDrain);
    upstream.on("data", (chunk: Buffer) => {
      for (const message of frames.push(chunk)) this.#onAnswer(message);
      if (this.#client.writableNeedDrain) upstream.pause();
    });
    upstream.on("error", close);
    upstream.on("end", close);
    upstream.once("close", () => {
      this.#abort.signal.removeEventListener("abort", close);
      this.#client.off("drain", onDrain);
      this.#upstream = undefined;
      this.#fail();
    });
    upstream.resume();
  }

  #onAnswer(message: Buffer): void {
    if (message.length >= HEADER_BYTES) this.#settle(message.readUInt16BE(0), isFailure(message));
    this.#send(message);
    this.#balance();
  }

  /** Nobody will answer what is pending. */
  #fail(): void {
    for (const [id, { message }] of this.#pending) {
      this.#settle(id, true);
      this.#send(encodeForwardFailure(message));
    }
    this.#balance();
  }

  #settle(id: number, isFailure: boolean): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    const { clock, metrics } = this.#deps;
    metrics.settled(pending.question, { durationMs: clock.monotonicMs() - pending.askedAtMs, isFailure });
  }

  #send(message: Uint8Array): void {
    if (!this.#client.destroyed && this.#client.writable) this.#client.write(frame(message));
  }
}
