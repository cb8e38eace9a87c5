// SPDX-License-Identifier: Apache-2.0
import { readdir, readFile } from "node:fs/promises";
import type { GaugeSeries } from "@ambientmesh/core";
import type { MetricsRegistry } from "./metrics.ts";

/** Declares what Prometheus expects of every process, read at each scrape. Disposing ends the reading. */
export function exposeProcessMetrics(metrics: MetricsRegistry): Disposable {
  const gauge = (name: string, help: string): GaugeSeries => metrics.gauge({ name, help }).with({});
  const openFds = gauge("process_open_fds", "Number of open file descriptors");
  const maxFds = gauge("process_max_fds", "Maximum number of open file descriptors");
  const resident = gauge("process_resident_memory_bytes", "Resident memory size in bytes");
  const heap = gauge("nodejs_heap_size_used_bytes", "Used part of the JavaScript heap in bytes");
  const external = gauge("nodejs_external_memory_bytes", "Memory of buffers outside the JavaScript heap in bytes");
  gauge("process_start_time_seconds", "Start time of the process in seconds since 1970").set(
    Date.now() / 1000 - process.uptime(),
  );
  const cpu = metrics
    .counter({ name: "process_cpu_seconds_total", help: "User and system CPU time spent in seconds" })
    .with({});
  let counted = 0;
  return metrics.onScrape(async () => {
    const { user, system } = process.cpuUsage();
    const spent = (user + system) / 1e6;
    cpu.add(spent - counted);
    counted = spent;
    const memory = process.memoryUsage();
    resident.set(memory.rss);
    heap.set(memory.heapUsed);
    external.set(memory.external);
    openFds.set(await countOpenFds());
    maxFds.set(await readMaxFds());
  });
}

async function countOpenFds(): Promise<number> {
  try {
    return (await readdir("/proc/self/fd")).length;
  } catch {
    // No procfs on this system: the value is unknown, and a scrape must not fail for it.
    return Number.NaN;
  }
}

async function readMaxFds(): Promise<number> {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(await readFile("/proc/self/limits", "utf8"));
    return Number(line?.[1] ?? Number.NaN);
  } catch {
    // As above.
    return Number.NaN;
  }
}
