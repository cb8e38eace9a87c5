// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { residentMegabytes } from "../tunnel/cpu.ts";

/** What a process holds at a time. */
export interface Sample {
  readonly atMinutes: number;
  readonly residentMB: number;
  readonly descriptors: number;
}

/** How both went over a run. */
export interface Growth {
  /** The lowest of the first and of the last third after the warm-up: what is left when garbage was collected. */
  readonly firstLowestMB: number;
  readonly lastLowestMB: number;
  readonly highestMB: number;
  readonly firstDescriptors: number;
  readonly lastDescriptors: number;
  readonly maxDescriptors: number;
}

/** The first part of a run, in which caches fill and the heap finds its size. */
const WARM_UP = 0.25;

export function sampleOf(pid: number, atMinutes: number): Sample {
  return { atMinutes, residentMB: residentMegabytes(pid), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

export function growthOf(samples: readonly Sample[]): Growth {
  const steady = samples.slice(Math.floor(samples.length * WARM_UP));
  const third = Math.ceil(steady.length / 3);
  const lowest = (part: readonly Sample[]): number => Math.min(...part.map(({ residentMB }) => residentMB));
  const [first, last] = [steady[0], steady.at(-1)];
  if (first === undefined || last === undefined) throw new Error("nothing was sampled");
  return {
    firstLowestMB: lowest(steady.slice(0, third)),
    lastLowestMB: lowest(steady.slice(-third)),
    highestMB: Math.max(...samples.map(({ residentMB }) => residentMB)),
    firstDescriptors: first.descriptors,
    lastDescriptors: last.descriptors,
    maxDescriptors: Math.max(...samples.map(({ descriptors }) => descriptors)),
  };
}
