// SPDX-License-Identifier: Apache-2.0
import { Session } from "node:inspector/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { Clock } from "@ambientmesh/core";
import type { AdminAnswer, AdminRequest, AdminRoute } from "@ambientmesh/telemetry";
import { encodePprof } from "./cpu-profile.ts";

/** Bounds and defaults of ztunnel (Istio 1.31). */
const SECONDS = { name: "seconds", min: 1, max: 300, fallback: 10 } as const;
const FREQUENCY = { name: "frequency", min: 1, max: 1000, fallback: 100 } as const;

/** `/debug/pprof/profile`: where the time of this process goes. `/debug/pprof/heap` says that there is none. */
export function pprofRoutes(clock: Clock): readonly AdminRoute[] {
  let isProfiling = false;
  async function profile({ query, signal }: AdminRequest): Promise<AdminAnswer> {
    const seconds = numberOf(query, SECONDS);
    const frequency = numberOf(query, FREQUENCY);
    if (typeof seconds === "string" || typeof frequency === "string") {
      return { status: 400, body: `${[seconds, frequency].filter((value) => typeof value === "string").join("\n")}\n` };
    }
    if (isProfiling) return { status: 409, body: "a profile is being taken already\n" };
    isProfiling = true;
    try {
      const intervalMicros = Math.round(1e6 / frequency);
      const body = await takeProfile(intervalMicros, () => clock.sleep(seconds * 1000, signal));
      return { contentType: "application/octet-stream", body };
    } finally {
      isProfiling = false;
    }
  }
  return [
    {
      path: "/debug/pprof/profile",
      methods: ["GET"],
      description: "CPU profile for pprof; ?seconds=10 (1 to 300) and ?frequency=100 (1 to 1000 Hz)",
      handle: profile,
    },
    {
      path: "/debug/pprof/heap",
      methods: ["GET"],
      description: "heap profile: not available",
      handle: () => ({
        status: 500,
        body: "heap profiling is not part of this build; see process_resident_memory_bytes\n",
      }),
    },
  ];
}

function numberOf(
  query: URLSearchParams,
  { name, min, max, fallback }: typeof SECONDS | typeof FREQUENCY,
): number | string {
  const text = query.get(name) ?? String(fallback);
  const value = Number(text);
  return /^\d+$/.test(text) && value >= min && value <= max ? value : `${name} must be from ${min} to ${max}`;
}

async function takeProfile(intervalMicros: number, wait: () => Promise<void>): Promise<Buffer> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.setSamplingInterval", { interval: intervalMicros });
    await session.post("Profiler.start");
    await wait();
    const { profile } = await session.post("Profiler.stop");
    return await promisify(gzip)(encodePprof(profile, intervalMicros));
  } finally {
    session.disconnect();
  }
}
