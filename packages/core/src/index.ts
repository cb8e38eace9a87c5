// SPDX-License-Identifier: Apache-2.0
export {
  MeshError,
  coreErrors,
  errorCatalogue,
  isMeshError,
  messageOf,
  toMeshError,
  type ErrorCatalogue,
  type MeshErrorOptions,
} from "./errors.ts";
export type { Change } from "./change.ts";
export { Backoff, type BackoffOptions } from "./time/backoff.ts";
export { abortedError, sleepWith, systemClock, type Clock, type Timer } from "./time/clock.ts";
export { LOG_LEVELS, silentLogger, type LogFields, type LogLevel, type Logger } from "./log/logger.ts";
export {
  noMetrics,
  type CounterSeries,
  type Family,
  type GaugeSeries,
  type HistogramSeries,
  type HistogramSpec,
  type Labels,
  type MetricSpec,
  type Metrics,
} from "./metrics/metrics.ts";
export type { Service } from "./lifecycle/service.ts";
export { TaskGroup, type TaskGroupOptions } from "./lifecycle/task-group.ts";
export { Drain, type DrainWatch } from "./lifecycle/drain.ts";
export { BoundedQueue } from "./queue/bounded-queue.ts";
export { ConfigReader, type DeclaredVariable, type Variable } from "./config/config-reader.ts";
export { formatDurationMs, parseDurationMs } from "./config/duration.ts";
