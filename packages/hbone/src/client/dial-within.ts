// SPDX-License-Identifier: Apache-2.0
import { abortedError, messageOf, type Clock, type MeshError } from "@ambientmesh/core";
import type { Duplex } from "node:stream";
import { hboneErrors } from "../errors.ts";

/** What {@link dialWithin} needs to know. */
export interface DialOptions {
  readonly address: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Runs a dialler, but not longer than `timeoutMs`; a transport that comes too late is closed.
 * @throws MeshError HBONE_DIAL_FAILED, HBONE_TIMEOUT, ABORTED
 */
export async function dialWithin(
  dial: (signal: AbortSignal) => Promise<Duplex>,
  { address, timeoutMs, clock, signal }: DialOptions,
): Promise<Duplex> {
  const abort = new AbortController();
  const given = Promise.withResolvers<never>();
  const giveUp = (error: Error): void => {
    given.reject(error);
    abort.abort(error);
  };
  const onAbort = (): void => giveUp(abortedError(signal, `dialling ${address}`));
  signal.addEventListener("abort", onAbort, { once: true });
  using _timer = clock.setTimer(timeoutMs, () => giveUp(lateError(address, timeoutMs)));
  const dialling = dial(abort.signal);
  try {
    return await Promise.race([dialling, given.promise]);
  } catch (error) {
    // Whoever gave up need not wait for the dialler to notice.
    dialling.then(
      (late) => late.destroy(),
      () => undefined,
    );
    throw abort.signal.aborted ? error : failedError(address, error);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function lateError(address: string, timeoutMs: number): MeshError {
  const message = `no connection to ${address} within ${timeoutMs} ms; if the pod is there, a NetworkPolicy may block its port`;
  return hboneErrors.create("HBONE_TIMEOUT", message, {
    details: { phase: "dial", address, timeoutMs },
    retryable: true,
  });
}

function failedError(address: string, cause: unknown): MeshError {
  const message = `no connection to ${address}: ${messageOf(cause)}`;
  return hboneErrors.create("HBONE_DIAL_FAILED", message, { cause, details: { address }, retryable: true });
}
