// SPDX-License-Identifier: Apache-2.0
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import {
  TaskGroup,
  isMeshError,
  type Clock,
  type GaugeSeries,
  type Logger,
  type Metrics,
  type Service,
} from "@ambientmesh/core";
import {
  linuxErrors,
  listenSeqpacket,
  type NetnsRef,
  type SeqpacketConnection,
  type SeqpacketListener,
} from "@ambientmesh/linux";
import { cniErrors } from "../errors.ts";
import { ZdsSession, type ZdsOutcome } from "./zds-session.ts";
import type { ZdsWorkload } from "./zds-messages.ts";

export interface ZdsServerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** A proxy has heard of all pods: what could not be done without one can be tried again. */
  readonly onConnected: () => void;
  /** The proxy did not take over a pod that it was offered unasked. */
  readonly onRefused: (uid: string, reason: string) => void;
}

export interface ZdsServerOptions {
  /** Socket file, for root only. */
  readonly path: string;
  /** Proxies at a time. There are two during an upgrade. Default 8. */
  readonly maxConnections?: number;
}

/** A pod that proxies should serve. */
export interface ZdsPod {
  readonly workload: ZdsWorkload;
  /** Unknown for pods of a former agent that were not found again: a proxy may still have them. */
  readonly netns: NetnsRef | undefined;
}

/** What became of the offer of a pod. */
export type OfferOutcome = ZdsOutcome | { readonly kind: "not-connected" };

const DEFAULT_MAX_CONNECTIONS = 8;
/** New connections are taken at this pace (Istio's agent: 5 per second). */
const ACCEPT_INTERVAL_MS = 200;
const RETRY_ACCEPT_MS = 1000;

/**
 * The agent's end of ZDS (Istio 1.31: zds.proto, cni/pkg/nodeagent). A proxy that connects is told of all pods; later
 * ones are offered to the newest proxy alone, and all proxies are told to let go. What one pod does wrong is between
 * that pod and the proxy: the others are served.
 */
export class ZdsServer implements Service {
  readonly #deps: ZdsServerDeps;
  readonly #options: ZdsServerOptions;
  readonly #connected: GaugeSeries;
  readonly #tasks: TaskGroup;
  readonly #pods = new Map<string, ZdsPod>();
  /** Pods over which a proxy fell silent; they must not keep the next one from hearing of the others. */
  readonly #suspects = new Set<string>();
  /** Those that have introduced themselves, the newest last. */
  readonly #sessions: ZdsSession[] = [];
  #listener: SeqpacketListener | undefined;
  #openConnections = 0;
  #connection = Promise.withResolvers<void>();

  constructor(deps: ZdsServerDeps, options: ZdsServerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#connected = deps.metrics
      .gauge({ name: "ztunnel_connected", help: "number of connections to ztunnel" })
      .with({});
    this.#connected.set(0);
    this.#tasks = new TaskGroup({
      onCrash: (task, error) => deps.logger.error("a task of the ZDS server failed", { task, error }),
    });
  }

  get isConnected(): boolean {
    return this.#sessions.length > 0;
  }

  /** @throws MeshError CNI_SOCKET_IN_USE, LINUX_* */
  async start(): Promise<void> {
    await mkdir(dirname(this.#options.path), { recursive: true, mode: 0o755 });
    this.#listener = listen(this.#options.path);
    const listener = this.#listener;
    this.#tasks.run("accept", (signal) => this.#accept(listener, signal));
  }

  /** Makes a pod part of what a proxy is told when it connects, without offering it now. */
  expect(pod: ZdsPod): void {
    this.#pods.set(pod.workload.uid, pod);
  }

  /** Offers a pod to the newest proxy, and to those that connect later. The namespace stays the caller's. */
  async add(workload: ZdsWorkload, netns: NetnsRef): Promise<OfferOutcome> {
    this.#pods.set(workload.uid, { workload, netns });
    const session = this.#sessions.at(-1);
    if (!session) return { kind: "not-connected" };
    if (session.serves(workload.uid, netns)) return { kind: "acked" };
    return this.#offer(session, workload, netns);
  }

  /** Resolves when every proxy has let go of the pod, or is gone itself. */
  async remove(uid: string): Promise<void> {
    if (!this.#pods.delete(uid)) return;
    this.#suspects.delete(uid);
    await Promise.all(this.#sessions.map((session) => session.delete(uid)));
  }

  /** Waits for a proxy. False if none has come in time. */
  async whenConnected(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.isConnected) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#deps.clock.setTimer(timeoutMs, resolve);
    const onAbort = (): void => resolve();
    signal?.addEventListener("abort", onAbort, { once: true });
    await Promise.race([promise, this.#connection.promise]);
    signal?.removeEventListener("abort", onAbort);
    return this.isConnected;
  }

  /** Proxies keep serving their pods, and connect again when there is an agent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener?.close();
    await this.#tasks[Symbol.asyncDispose]();
  }

  async #accept(listener: SeqpacketListener, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!signal.aborted) {
      try {
        this.#admit(await listener.accept(signal));
        await clock.sleep(ACCEPT_INTERVAL_MS, signal);
      } catch (error) {
        if (signal.aborted || linuxErrors.is(error, "LINUX_SEQPACKET_CLOSED")) return;
        logger.error("a node proxy can't be let in", { error });
        await clock.sleep(RETRY_ACCEPT_MS, signal);
      }
    }
  }

  #admit(connection: SeqpacketConnection): void {
    const { clock, logger } = this.#deps;
    const { maxConnections = DEFAULT_MAX_CONNECTIONS } = this.#options;
    if (this.#openConnections >= maxConnections) {
      logger.warn("a node proxy was turned away, there are too many", { maxConnections, pid: connection.peer.pid });
      connection.close();
      return;
    }
    const scoped = logger.child("cni.zds", { pid: connection.peer.pid });
    const session = new ZdsSession({ connection, clock, logger: scoped });
    this.#openConnections++;
    this.#tasks.run("session", (signal) => this.#serve(session, scoped, signal));
  }

  async #serve(session: ZdsSession, logger: Logger, signal: AbortSignal): Promise<void> {
    try {
      await session.run(signal, () => {
        logger.info("a node proxy connected", { pods: this.#pods.size });
        this.#sessions.push(session);
        this.#connected.set(this.#sessions.length);
        this.#connection.resolve();
        this.#tasks.run("snapshot", () => this.#sendSnapshot(session, logger));
      });
      logger.info("a node proxy disconnected");
    } catch (error) {
      if (!signal.aborted && !isMeshError(error, "LINUX_SEQPACKET_CLOSED")) {
        logger.warn("the connection of a node proxy was closed", { error });
      }
    } finally {
      this.#openConnections--;
      this.#forget(session);
    }
  }

  #forget(session: ZdsSession): void {
    const at = this.#sessions.indexOf(session);
    if (at < 0) return;
    const wasNewest = at === this.#sessions.length - 1;
    this.#sessions.splice(at, 1);
    this.#connected.set(this.#sessions.length);
    const newest = this.#sessions.at(-1);
    if (!newest) this.#connection = Promise.withResolvers();
    // It has not heard of the pods that came while it was not the newest.
    else if (wasNewest) this.#tasks.run("catch up", () => this.#catchUp(newest));
  }

  async #sendSnapshot(session: ZdsSession, logger: Logger): Promise<void> {
    for (const [uid, { netns }] of this.#pods) {
      if (!netns || this.#suspects.has(uid)) await session.keep(uid);
      else await this.#offerUnasked(session, uid);
    }
    const outcome = await session.snapshotSent();
    if (outcome.kind === "refused") {
      logger.error("the node proxy refused the snapshot, so it has to connect again", { reason: outcome.reason });
      session.end();
    }
    if (outcome.kind !== "acked") return;
    logger.info("the node proxy knows all pods", { pods: this.#pods.size });
    for (const uid of this.#suspects) this.#deps.onRefused(uid, "an earlier offer of the pod was never answered");
    this.#deps.onConnected();
  }

  async #catchUp(session: ZdsSession): Promise<void> {
    for (const uid of this.#pods.keys()) if (!this.#suspects.has(uid)) await this.#offerUnasked(session, uid);
  }

  async #offerUnasked(session: ZdsSession, uid: string): Promise<void> {
    const { workload, netns } = this.#pods.get(uid) ?? {};
    if (session.hasEnded || !workload || !netns || session.wasOffered(uid, netns)) return;
    const outcome = await this.#offer(session, workload, netns);
    if (outcome.kind === "refused") this.#deps.onRefused(uid, outcome.reason);
  }

  async #offer(session: ZdsSession, workload: ZdsWorkload, netns: NetnsRef): Promise<ZdsOutcome> {
    const outcome = await session.add(workload, netns);
    if (outcome.kind === "acked") this.#suspects.delete(workload.uid);
    if (outcome.kind === "silent" && this.#pods.has(workload.uid)) this.#suspects.add(workload.uid);
    return outcome;
  }
}

function listen(path: string): SeqpacketListener {
  try {
    return listenSeqpacket({ path });
  } catch (error) {
    if (!linuxErrors.is(error, "LINUX_SYSCALL") || error.details["errno"] !== "EADDRINUSE") throw error;
    throw cniErrors.create("CNI_SOCKET_IN_USE", `${error.message}; is another agent running on this node?`, {
      cause: error,
      details: { path },
    });
  }
}
