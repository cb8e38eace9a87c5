// SPDX-License-Identifier: Apache-2.0

/** How a program ended. */
export interface ContainerEnd {
  /** Exit code, or 128 and the number of the signal. */
  readonly code: number;
  readonly signal: NodeJS.Signals | undefined;
  /** The last line that it wrote. */
  readonly lastWords?: string | undefined;
}

/** How a container ended, and when. */
export interface ContainerExit extends ContainerEnd {
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
}

/** Where a container is in its life. */
export type ContainerState =
  | { readonly kind: "waiting"; readonly reason: string; readonly message?: string }
  | { readonly kind: "running"; readonly pid: number; readonly startedAtMs: number; readonly isReady: boolean }
  | { readonly kind: "ended"; readonly exit: ContainerExit };

/** A container with its history. */
export interface ContainerRecord {
  readonly name: string;
  readonly state: ContainerState;
  readonly restarts: number;
  readonly lastExit: ContainerExit | undefined;
}

/** Kubernetes' word while a container's surroundings are being made. */
export const CREATING: ContainerState = { kind: "waiting", reason: "ContainerCreating" };
