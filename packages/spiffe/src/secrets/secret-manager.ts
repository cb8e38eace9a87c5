// SPDX-License-Identifier: Apache-2.0
import {
  Backoff,
  TaskGroup,
  noMetrics,
  silentLogger,
  systemClock,
  toMeshError,
  type Change,
  type Clock,
  type CounterSeries,
  type GaugeSeries,
  type Logger,
  type MeshError,
  type Metrics,
} from "@ambientmesh/core";
import { publish } from "../diagnostics.ts";
import { spiffeErrors } from "../errors.ts";
import type { SpiffeId } from "../id/spiffe-id.ts";
import type { CertificateSource, Priority, SecretState } from "../svid/certificate-source.ts";
import { svidFromIssuedChain, type Svid } from "../svid/svid.ts";
import { createCsr } from "../x509/csr.ts";
import type { KeyType } from "../x509/keys.ts";
import { orAborted } from "./or-aborted.ts";
import { ReadyQueue } from "./ready-queue.ts";
import { Secret } from "./secret.ts";

const closed = (id: SpiffeId): Error =>
  spiffeErrors.create("SECRET_CLOSED", `the certificate of ${id} can't be had: the certificate manager was closed`);

/**
 * Has a certificate signed: takes a PKCS#10 request in PEM, answers with leaf, intermediates and root bundle in PEM.
 * Rejects when it can't; each rejection is retried later.
 */
export type IssueCertificate = (csrPem: string, id: SpiffeId, signal: AbortSignal) => Promise<readonly string[]>;

/** What a certificate manager is made with. */
export interface SecretManagerDeps {
  readonly issue: IssueCertificate;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly metrics?: Metrics;
}

/** Limits and times of a certificate manager. */
export interface SecretManagerOptions {
  /** Default "ecdsa-p256". Each request has a new key. */
  readonly keyType?: KeyType;
  /** Requests on their way at once; more would only queue inside the authority. Default 8. */
  readonly maxConcurrent?: number;
  /** Identities held at once; a node has far fewer. Default 10,000. */
  readonly maxIdentities?: number;
  /** First and longest wait after a failure, each ± 20 %. Default 1 s and 150 s. */
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
  /** Randomness of the back-off, in [0, 1). */
  readonly random?: () => number;
}

const DEFAULT_BACKOFF = { initialMs: 1000, maxMs: 150_000 };
/** Keeps a certificate that arrives shortly before it expires from being renewed in a tight loop. */
const MIN_REFRESH_MS = 1000;

/** One certificate per identity, shared by everybody who asks, renewed at half of the time it has left when it arrives. */
export class SecretManager implements CertificateSource, AsyncDisposable {
  readonly #secrets = new Map<SpiffeId, Secret>();
  readonly #ready = new ReadyQueue<Secret>();
  readonly #listeners = new Set<(change: Change<Svid>) => void>();
  readonly #deps: { readonly issue: IssueCertificate; readonly clock: Clock; readonly logger: Logger };
  readonly #options: SecretManagerOptions & { readonly maxConcurrent: number; readonly maxIdentities: number };
  readonly #tasks: TaskGroup;
  readonly #requests: Readonly<Record<"success" | "failure", CounterSeries>>;
  readonly #held: GaugeSeries;
  #running = 0;
  #isClosed = false;

  constructor(deps: SecretManagerDeps, options: SecretManagerOptions = {}) {
    const { issue, clock = systemClock, logger = silentLogger, metrics = noMetrics } = deps;
    this.#deps = { issue, clock, logger };
    this.#options = { maxConcurrent: 8, maxIdentities: 10_000, ...options };
    this.#tasks = new TaskGroup({
      onCrash: (task, error) => logger.error("a certificate request crashed", { identity: task, error }),
    });
    const requests = metrics.counter({
      name: "mesh_certificate_requests_total",
      help: "Certificates asked of the certificate authority, by outcome.",
      labels: ["result"],
    });
    this.#requests = { success: requests.with({ result: "success" }), failure: requests.with({ result: "failure" }) };
    this.#held = metrics
      .gauge({ name: "mesh_certificate_identities", help: "Identities whose certificate is held or asked for." })
      .with({});
  }

  async get(id: SpiffeId, options: { readonly signal?: AbortSignal } = {}): Promise<Svid> {
    const secret = this.#find(id);
    const svid = secret.svidAt(this.#deps.clock.now());
    if (svid !== undefined) return svid;
    // Those who ask don't cause a request here: with thousands of connections that would defeat the back-off.
    if (secret.state.kind === "Unavailable") throw secret.state.error;
    if (secret.state.kind === "Available") this.#drop(secret);
    this.#enqueue(secret, "RealTime");
    return secret.outcome(options.signal);
  }

  peek(id: SpiffeId): Svid | undefined {
    return this.#secrets.get(id)?.svidAt(this.#deps.clock.now());
  }

  /** Asks for a certificate that will probably be needed. False if there is no room. */
  prefetch(id: SpiffeId): boolean {
    if (this.#secrets.has(id)) return true;
    if (this.#isClosed || this.#secrets.size >= this.#options.maxIdentities) return false;
    this.#enqueue(this.#find(id), "Warmup");
    return true;
  }

  /** Drops an identity with its key; whoever waits for it is told, and a request on its way is withdrawn. */
  forget(id: SpiffeId): void {
    const secret = this.#secrets.get(id);
    if (secret === undefined) return;
    this.#secrets.delete(id);
    this.#held.set(this.#secrets.size);
    this.#ready.delete(secret);
    secret.stop();
    this.#drop(secret);
    secret.settle(spiffeErrors.create("SECRET_FORGOTTEN", `the identity ${id} is no longer needed here`));
  }

  subscribe(listener: (change: Change<Svid>) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  states(): readonly { readonly id: SpiffeId; readonly state: SecretState }[] {
    return [...this.#secrets.values()]
      .map(({ id, state }) => ({ id, state }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Ends all requests and timers; whoever waits is told. May be called twice. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const secret of this.#secrets.values()) {
      this.#ready.delete(secret);
      secret.stop();
      secret.settle(closed(secret.id));
    }
    await this.#tasks[Symbol.asyncDispose]();
  }

  #find(id: SpiffeId): Secret {
    if (this.#isClosed) throw closed(id);
    const known = this.#secrets.get(id);
    if (known !== undefined) return known;
    if (this.#secrets.size >= this.#options.maxIdentities) {
      throw spiffeErrors.create(
        "SECRET_LIMIT",
        `no room for the certificate of ${id}: ${this.#options.maxIdentities} identities are held`,
      );
    }
    const { backoff = DEFAULT_BACKOFF, random = Math.random } = this.#options;
    const secret = new Secret(id, new Backoff({ ...backoff, random }));
    this.#secrets.set(id, secret);
    this.#held.set(this.#secrets.size);
    return secret;
  }

  #enqueue(secret: Secret, priority: Priority): void {
    if (secret.state.kind === "Initializing") secret.state = { kind: "Initializing", priority };
    if (secret.request !== undefined) return;
    secret.timer?.cancel();
    secret.timer = undefined;
    this.#ready.add(secret, priority);
    this.#pump();
  }

  #pump(): void {
    while (this.#running < this.#options.maxConcurrent) {
      const secret = this.#ready.take();
      if (secret === undefined) return;
      const request = new AbortController();
      secret.request = request;
      this.#running++;
      this.#tasks.run(secret.id, async (closing) => {
        try {
          await this.#renew(secret, AbortSignal.any([closing, request.signal]));
        } finally {
          this.#running--;
          this.#pump();
        }
      });
    }
  }

  async #renew(secret: Secret, signal: AbortSignal): Promise<void> {
    let outcome: Svid | MeshError;
    try {
      outcome = await this.#request(secret.id, signal);
    } catch (error) {
      outcome = toMeshError(error, "SECRET_UNAVAILABLE");
    }
    // Forgotten or closed meanwhile; a new secret may have taken the identity's place.
    if (signal.aborted) return;
    secret.request = undefined;
    if (outcome instanceof Error) this.#failed(secret, outcome);
    else this.#succeeded(secret, outcome);
  }

  async #request(id: SpiffeId, signal: AbortSignal): Promise<Svid> {
    const { issue, clock } = this.#deps;
    const { csrPem, privateKey } = await createCsr({ id, keyType: this.#options.keyType });
    // An issuer that does not listen to its signal must not hold up the end of the manager.
    const chain = await orAborted(issue(csrPem, id, signal), signal, `asking for the certificate of ${id}`);
    const svid = svidFromIssuedChain({ id, chain, privateKey });
    if (svid.notAfterMs > clock.now()) return svid;
    throw spiffeErrors.create("SVID_INVALID", `the new certificate of ${id} has expired already: compare the clocks`);
  }

  #succeeded(secret: Secret, svid: Svid): void {
    const before = secret.state.kind === "Available" ? secret.state.svid : undefined;
    secret.state = { kind: "Available", svid };
    secret.backoff.reset();
    this.#requests.success.add();
    this.#schedule(secret, "Background", this.#refreshAt(svid));
    secret.settle(svid);
    publish("ambientmesh:spiffe:certificate:issue", { svid, isRenewal: before !== undefined });
    this.#emit({ key: svid.id, ...(before && { before }), after: svid });
  }

  #failed(secret: Secret, cause: MeshError): void {
    const { clock, logger } = this.#deps;
    this.#requests.failure.add();
    const now = clock.now();
    const retryAt = now + secret.backoff.next();
    const svid = secret.svidAt(now);
    logger.warn("a certificate could not be had", {
      identity: secret.id,
      error: cause,
      retryAt,
      isKept: svid !== undefined,
    });
    publish("ambientmesh:spiffe:certificate:fail", {
      id: secret.id,
      error: cause,
      isKept: svid !== undefined,
      retryAtMs: retryAt,
    });
    if (svid !== undefined) {
      this.#schedule(secret, "Background", Math.min(retryAt, svid.notAfterMs));
      return;
    }
    this.#drop(secret);
    const error = spiffeErrors.create("SECRET_UNAVAILABLE", `no certificate of ${secret.id}: ${cause.message}`, {
      cause,
      retryable: true,
    });
    secret.state = { kind: "Unavailable", error };
    this.#schedule(secret, "Warmup", retryAt);
    secret.settle(error);
  }

  /** Takes the certificate away, if there is one, and tells the subscribers. */
  #drop(secret: Secret): void {
    if (secret.state.kind !== "Available") return;
    const { svid } = secret.state;
    secret.state = { kind: "Initializing", priority: "Background" };
    this.#emit({ key: svid.id, before: svid });
  }

  /**
   * Half of what is left on arrival. Not half of the validity: authorities date certificates back by minutes, and that point
   * would be over, or nearly so, for one that lives for minutes.
   */
  #refreshAt({ notAfterMs }: Svid): number {
    const now = this.#deps.clock.now();
    return now + Math.max((notAfterMs - now) / 2, MIN_REFRESH_MS);
  }

  #schedule(secret: Secret, priority: Priority, dueAtMs: number): void {
    const { clock } = this.#deps;
    const onTimer = (): void => {
      // Timers may fire early: clocks are set, and timers have a longest delay.
      if (clock.now() < dueAtMs) this.#schedule(secret, priority, dueAtMs);
      else this.#enqueue(secret, priority);
    };
    secret.timer?.cancel();
    secret.timer = clock.setTimer(Math.max(dueAtMs - clock.now(), 0), onTimer, { background: true });
  }

  #emit(change: Change<Svid>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#deps.logger.error("a listener for certificates failed", { identity: change.key, error });
      }
    }
  }
}
