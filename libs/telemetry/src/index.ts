// Front door of telemetry: JSON logs, metrics, and the management port that serves metrics and health.
export {
  createLineLogger,
  createLogger,
  type LineLogger,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from './logger.ts';
export { Counter, createMetrics, Gauge, Histogram, Registry } from './metrics.ts';
export {
  type Health,
  type ManagementOptions,
  type ManagementServer,
  type Readiness,
  startManagementServer,
} from './management-server.ts';
export { version } from './version.ts';
