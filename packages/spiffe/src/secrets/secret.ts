// SPDX-License-Identifier: Apache-2.0
import type { Backoff, Timer } from "@ambientmesh/core";
import type { SpiffeId } from "../id/spiffe-id.ts";
import type { SecretState } from "../svid/certificate-source.ts";
import type { Svid } from "../svid/svid.ts";
import { orAborted } from "./or-aborted.ts";

/** One identity inside the {@link SecretManager}. */
export class Secret {
  readonly id: SpiffeId;
  readonly backoff: Backoff;
  state: SecretState = { kind: "Initializing", priority: "Background" };
  /** Runs until the next request is due. */
  timer: Timer | undefined;
  /** Withdraws the request that is on its way. */
  request: AbortController | undefined;
  #waiting: PromiseWithResolvers<Svid> | undefined;

  constructor(id: SpiffeId, backoff: Backoff) {
    this.id = id;
    this.backoff = backoff;
  }

  /** The SVID if there is one that is good at this time. */
  svidAt(timeMs: number): Svid | undefined {
    return this.state.kind === "Available" && timeMs <= this.state.svid.notAfterMs ? this.state.svid : undefined;
  }

  /** Settles with the outcome of the next request. @throws MeshError ABORTED, or what {@link settle} was given */
  async outcome(signal: AbortSignal | undefined): Promise<Svid> {
    const { promise } = (this.#waiting ??= Promise.withResolvers<Svid>());
    // Everybody who waits gets the error; if all of them left, nobody is there to handle it.
    promise.catch(() => {});
    return orAborted(promise, signal, `waiting for the certificate of ${this.id}`);
  }

  /** Tells everybody who waits. */
  settle(outcome: Svid | Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (outcome instanceof Error) waiting?.reject(outcome);
    else waiting?.resolve(outcome);
  }

  /** Stops its timer and its request. */
  stop(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.request?.abort();
  }
}
