// SPDX-License-Identifier: Apache-2.0
export { telemetryErrors } from "./errors.ts";

// Logs
export { createLogOutput, type LogOutput, type LogOutputOptions } from "./log/log-output.ts";
export type { FileAccess, LineWriterDeps, LineWriterOptions } from "./log/line-writer.ts";
export { createFormatter, type LogFormat, type LogFormatter } from "./log/format.ts";
export { LogLevels, type LogLevelsOptions, type LogThreshold } from "./log/log-levels.ts";
export { createLogger, type LoggerDeps, type LoggerOptions } from "./log/logger.ts";
export { createAccessLog, type AccessLog } from "./log/access-log.ts";
export { bare, type BareText, type LogField, type LogRecord, type LogSink } from "./log/record.ts";

// Metrics
export { createMetrics, type MetricsOptions, type MetricsRegistry } from "./metrics/metrics.ts";
export { exposeProcessMetrics } from "./metrics/process-metrics.ts";
export type { ExpositionFormat } from "./metrics/exposition.ts";

// Admin server
export {
  createAdminServer,
  loopback,
  type AdminListener,
  type AdminServer,
  type AdminServerDeps,
  type AdminServerOptions,
} from "./admin/server.ts";
export type { AdminAnswer, AdminRequest, AdminRoute } from "./admin/route.ts";
export {
  indexRoute,
  jsonRoute,
  loggingRoute,
  metricsRoutes,
  quitRoute,
  readinessRoute,
  type JsonRouteOptions,
} from "./admin/routes.ts";
export { Readiness } from "./admin/readiness.ts";
