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
  readonly firstMB: number;
  readonly lastMB: number;
  /** Of the line that fits best after the warm-up. */
  readonly mbPerHour: number;
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
  const [first, last] = [steady[0], steady.at(-1)];
  if (first === undefined || last === undefined) throw new Error("nothing was sampled");
  return {
    firstMB: first.residentMB,
    lastMB: last.residentMB,
    mbPerHour: slope(steady) * 60,
    firstDescriptors: first.descriptors,
    lastDescriptors: last.descriptors,
    maxDescriptors: Math.max(...samples.map(({ descriptors }) => descriptors)),
  };
}

/** MB per minute, by least squares. */
function slope(samples: readonly Sample[]): number {
  const mean = (pick: (sample: Sample) => number): number =>
    samples.reduce((sum, sample) => sum + pick(sample), 0) / samples.length;
  const [meanAt, meanMB] = [mean(({ atMinutes }) => atMinutes), mean(({ residentMB }) => residentMB)];
  let [top, bottom] = [0, 0];
  for (const { atMinutes, residentMB } of samples) {
    top += (atMinutes - meanAt) * (residentMB - meanMB);
    bottom += (atMinutes - meanAt) ** 2;
  }
  return bottom === 0 ? 0 : top / bottom;
}
