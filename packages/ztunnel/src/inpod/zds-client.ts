// SPDX-License-Identifier: Apache-2.0
import { Backoff, messageOf, type Clock, type Logger } from "@ambientmesh/core";
import { connectSeqpacket, linuxErrors, type SeqpacketConnection } from "@ambientmesh/linux";
import { ztunnelErrors } from "../errors.ts";
import type { WorkloadManager } from "./workload-manager.ts";
import { decodeRequest, encodeAck, encodeHello } from "./zds-messages.ts";

export interface ZdsClientDeps {
  readonly manager: WorkloadManager;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ZdsClientOptions {
  /** Socket of the agent. */
  readonly path: string;
}

/** Pods that could not be started are tried again at this pace (ztunnel). */
const RETRY_MS = 5000;
/** Waits between attempts to reach the agent (ztunnel: 20 ms, doubled up to 15 s). */
const RECONNECT = { initialMs: 20, maxMs: 15_000 };
/** Errors go to the agent in one datagram, whose buffer has 1024 bytes. */
const MAX_ERROR_CHARACTERS = 300;

/** The connection to the CNI agent: keeps it up for ever, answers every request once and in order. */
export class ZdsClient {
  readonly #deps: ZdsClientDeps;
  readonly #options: ZdsClientOptions;

  constructor(deps: ZdsClientDeps, options: ZdsClientOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, manager } = this.#deps;
    const backoff = new Backoff(RECONNECT);
    while (!signal.aborted) {
      try {
        await this.#serve(signal, () => backoff.reset());
        logger.info("the CNI agent closed the connection", { path: this.#options.path });
      } catch (error) {
        if (signal.aborted) return;
        logger.warn("no connection to the CNI agent", { path: this.#options.path, error });
      } finally {
        manager.disconnected();
      }
      await clock.sleep(backoff.next(), signal).catch(() => {
        // Aborted: the loop's condition ends it.
      });
    }
  }

  async #serve(signal: AbortSignal, onHealthy: () => void): Promise<void> {
    using connection = connectSeqpacket(this.#options.path);
    const { manager, logger } = this.#deps;
    await connection.send(encodeHello(), { signal });
    manager.connected();
    logger.info("connected to the CNI agent", { path: this.#options.path });
    while (await this.#next(connection, signal)) onHealthy();
  }

  /** Waits for one request and answers it; false when the agent has closed. */
  async #next(connection: SeqpacketConnection, signal: AbortSignal): Promise<boolean> {
    try {
      const message = await this.#receive(connection, signal);
      if (!message) return false;
      await this.#deps.manager.handle(decodeRequest(message));
    } catch (error) {
      if (signal.aborted || linuxErrors.is(error, "LINUX_SEQPACKET_CLOSED")) throw error;
      await connection.send(encodeAck(messageOf(error).slice(0, MAX_ERROR_CHARACTERS)), { signal });
      // Only this pod failed; anything else means that the two sides no longer understand each other.
      if (!ztunnelErrors.is(error, "ZTUNNEL_POD_START")) throw error;
      this.#deps.logger.warn("a pod can't be taken over yet", { error });
      return true;
    }
    await connection.send(encodeAck(""), { signal });
    return true;
  }

  /** The next message; while pods are pending they are tried again in between. */
  async #receive(
    connection: SeqpacketConnection,
    signal: AbortSignal,
  ): Promise<Awaited<ReturnType<SeqpacketConnection["receive"]>>> {
    const { clock, manager } = this.#deps;
    for (;;) {
      const retry = new AbortController();
      using _timer = manager.hasPending ? clock.setTimer(RETRY_MS, () => retry.abort()) : undefined;
      try {
        return await connection.receive(AbortSignal.any([signal, retry.signal]));
      } catch (error) {
        if (signal.aborted || !retry.signal.aborted) throw error;
        await manager.retryPending();
      }
    }
  }
}
