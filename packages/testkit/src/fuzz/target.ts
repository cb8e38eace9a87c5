// SPDX-License-Identifier: Apache-2.0
import type { Random } from "./random.ts";

/** Something that reads bytes from outside. */
export interface FuzzTarget {
  /**
   * Takes one input and throws when something is wrong with how it was taken: an error of no known kind, a limit that
   * does not hold. What it returns names what became of the input ("refused because ..."); inputs with a new outcome
   * are worth changing further.
   */
  readonly run: (input: Buffer, random: Random) => FuzzOutcome | Promise<FuzzOutcome>;
  /** Inputs beside those of the corpus folder, made when they are needed. */
  readonly seeds?: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Words of the format, which chance would hardly find. */
  readonly tokens?: readonly (string | Uint8Array)[];
  /** Longest input in octets, default 4 KiB. */
  readonly maxLength?: number;
}

/** What became of an input, in few words without numbers that vary. */
export type FuzzOutcome = string | undefined;

/** What `fuzz/targets.ts` of a package exports as `targets`: by name, which is also that of the corpus folder. */
export type FuzzTargets = Readonly<Record<string, FuzzTarget>>;
