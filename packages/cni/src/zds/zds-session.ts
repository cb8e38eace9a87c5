// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { isMeshError, messageOf, type Clock, type Logger } from "@ambientmesh/core";
import { sameNetns, type NetnsRef, type SeqpacketConnection } from "@ambientmesh/linux";
import {
  checkHello,
  decodeAck,
  encodeAdd,
  encodeDelete,
  encodeKeep,
  encodeSnapshotSent,
  protocolError,
  type ZdsWorkload,
} from "./zds-messages.ts";

/** What became of a message. */
export type ZdsOutcome =
  | { readonly kind: "acked" }
  /** The proxy could not do it, but goes on. */
  | { readonly kind: "refused"; readonly reason: string }
  /** It did not answer in time; the connection is given up. */
  | { readonly kind: "silent" }
  /** The connection ended first. */
  | { readonly kind: "lost" };

export interface ZdsSessionDeps {
  readonly connection: SeqpacketConnection;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a proxy may take for the hello and for each answer (Istio's agent: 5 s). */
export const ANSWER_MS = 5000;

/**
 * The conversation with one node proxy: one message at a time, each answered once and in order. The connection belongs
 * to the session, which ends when either side closes, breaks the protocol or falls silent.
 */
export class ZdsSession {
  readonly #deps: ZdsSessionDeps;
  /** The last offer of each pod that was not taken back since. */
  readonly #offers = new Map<string, { readonly netns: NetnsRef; isServed: boolean }>();
  #last: Promise<unknown> = Promise.resolve();
  #awaited: ((outcome: ZdsOutcome) => void) | undefined;
  #hasEnded = false;

  constructor(deps: ZdsSessionDeps) {
    this.#deps = deps;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** True if the proxy serves the pod in this namespace. */
  serves(uid: string, netns: NetnsRef): boolean {
    const offer = this.#offers.get(uid);
    return offer !== undefined && offer.isServed && sameNetns(offer.netns, netns);
  }

  /** True if the proxy was offered the pod in this namespace; whoever did that knows what came of it. */
  wasOffered(uid: string, netns: NetnsRef): boolean {
    const offer = this.#offers.get(uid);
    return offer !== undefined && sameNetns(offer.netns, netns);
  }

  /**
   * Waits for the hello, calls `onHello`, and takes answers until the conversation ends.
   * @throws MeshError CNI_ZDS_PROTOCOL; LINUX_*, ABORTED
   */
  async run(signal: AbortSignal, onHello: () => void): Promise<void> {
    try {
      if (!(await this.#receiveHello(signal))) return;
      onHello();
      for (;;) {
        const data = await this.#receive(signal);
        if (!data) return;
        const error = decodeAck(data);
        const settle = this.#awaited;
        if (!settle) throw protocolError("it answered without being asked");
        this.#awaited = undefined;
        settle(error === "" ? { kind: "acked" } : { kind: "refused", reason: error });
      }
    } finally {
      this.end();
    }
  }

  /** Hands a pod over. */
  async add(workload: ZdsWorkload, netns: NetnsRef): Promise<ZdsOutcome> {
    const offer = { netns, isServed: false };
    this.#offers.set(workload.uid, offer);
    const outcome = await this.#exchange(() => ({ data: encodeAdd(workload), fds: [netns.fd] }));
    offer.isServed = outcome.kind === "acked";
    return outcome;
  }

  /** Not allowed after the snapshot. */
  keep(uid: string): Promise<ZdsOutcome> {
    return this.#exchange(() => ({ data: encodeKeep(uid) }));
  }

  delete(uid: string): Promise<ZdsOutcome> {
    this.#offers.delete(uid);
    return this.#exchange(() => ({ data: encodeDelete(uid) }));
  }

  snapshotSent(): Promise<ZdsOutcome> {
    return this.#exchange(() => ({ data: encodeSnapshotSent() }));
  }

  /** Closes the connection; whoever waits for an answer is told. Ending twice is harmless. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#deps.connection.close();
    this.#awaited?.({ kind: "lost" });
  }

  /** Never rejects. The message is made when its turn has come, since its pod may be gone by then. */
  #exchange(message: () => { readonly data: Uint8Array; readonly fds?: readonly number[] }): Promise<ZdsOutcome> {
    const outcome = this.#last.then(() => this.#exchangeNow(message));
    this.#last = outcome;
    return outcome;
  }

  async #exchangeNow(
    message: () => { readonly data: Uint8Array; readonly fds?: readonly number[] },
  ): Promise<ZdsOutcome> {
    if (this.#hasEnded) return { kind: "lost" };
    const { promise, resolve } = Promise.withResolvers<ZdsOutcome>();
    using _deadline = this.#deps.clock.setTimer(ANSWER_MS, () => {
      // Later answers could not be told from that to this message any more.
      resolve({ kind: "silent" });
      this.#deps.logger.warn("the node proxy did not answer in time", { deadlineMs: ANSWER_MS });
      this.end();
    });
    try {
      const { data, fds = [] } = message();
      this.#awaited = resolve;
      const sent = this.#deps.connection.send(data, { fds });
      // A full queue at the proxy counts as silence, too.
      void sent.catch((error: unknown) => this.#onSendFailed(error, resolve));
      return await promise;
    } catch (error) {
      // Its namespace was closed before it could be sent: the pod is gone.
      return { kind: "refused", reason: messageOf(error) };
    } finally {
      this.#awaited = undefined;
    }
  }

  #onSendFailed(error: unknown, settle: (outcome: ZdsOutcome) => void): void {
    settle({ kind: "lost" });
    if (!this.#hasEnded) this.#deps.logger.debug("a message could not be sent to the node proxy", { error });
    this.end();
  }

  async #receiveHello(signal: AbortSignal): Promise<boolean> {
    const overdue = new AbortController();
    using _deadline = this.#deps.clock.setTimer(ANSWER_MS, () => overdue.abort());
    try {
      const data = await this.#receive(AbortSignal.any([signal, overdue.signal]));
      if (data) checkHello(data);
      return data !== undefined;
    } catch (error) {
      if (signal.aborted || !isMeshError(error, "ABORTED")) throw error;
      throw protocolError(`it did not introduce itself within ${ANSWER_MS} ms`);
    }
  }

  /** One message; undefined at the end. Proxies have no reason to send descriptors. */
  async #receive(signal: AbortSignal): Promise<Uint8Array | undefined> {
    const message = await this.#deps.connection.receive(signal);
    if (!message) return undefined;
    for (const fd of message.fds) closeSync(fd);
    if (message.fds.length > 0) throw protocolError("a message came with a file descriptor");
    return message.data;
  }
}
