// SPDX-License-Identifier: Apache-2.0

/**
 * Something that runs.
 *
 * The constructor does nothing that others can see. `start` resolves when the service is ready (ports bound, caches
 * synced) and rejects, with everything it opened closed again, when it can't be; it is called once.
 * Disposing may be done twice and before `start`; it stops accepting, waits up to the service's deadline, then forces.
 */
export interface Service extends AsyncDisposable {
  /** Aborting `signal` before ready gives up the start; afterwards it has no effect. */
  start(signal?: AbortSignal): Promise<void>;
}
