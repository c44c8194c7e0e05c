// Starts a process's services in order, waits for SIGTERM or SIGINT, and stops them in the opposite order.
import { type Clock, systemClock } from '#clock';
import type { WorkerLogger } from './fault.ts';

/** One thing with a beginning and an end: a pool, a loop, a server. */
export interface Service {
  name: string;
  /** Absent for a thing that is made ready elsewhere. `signal` aborts when the process is told to stop while starting. */
  start?(signal: AbortSignal): Promise<void> | void;
  stop(): Promise<void> | void;
}

/** The part of `process` that is used here, so that tests need no real signals. */
export interface ProcessPort {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
  exit(code: number): unknown;
}

export interface RunOptions {
  logger: WorkerLogger;
  /** How long all stops together may take before the process leaves with code 1; must outlast the longest delivery. */
  stopTimeoutMs?: number;
  process?: ProcessPort;
  clock?: Clock;
}

const SIGNALS = { SIGTERM: 15, SIGINT: 2 } as const;

/**
 * Resolves when everything is stopped after the first signal; a second signal exits at once with 128 + its number.
 * A service that fails to start makes it stop those already started and reject with that fault. A service that fails
 * to stop is logged, and the others are stopped all the same.
 */
export async function runUntilSignal(services: readonly Service[], options: RunOptions): Promise<void> {
  const { logger, stopTimeoutMs = 60_000, process: port = process, clock = systemClock } = options;
  const signals = listen(port, logger);
  const started: Service[] = [];
  try {
    for (const service of services) {
      if (signals.abort.aborted) break;
      // Listed before it has started: a start that was cut short may have opened something.
      started.push(service);
      await service.start?.(signals.abort);
    }
    if (!signals.abort.aborted) logger.info({ services: services.map(({ name }) => name) }, 'started');
    await signals.received;
  } catch (error) {
    // A start that rejects because the signal told it to is a clean stop.
    if (!signals.abort.aborted) throw error;
  } finally {
    await stopAll(started, { logger, stopTimeoutMs, port, clock });
    signals.close();
  }
}

function listen(port: ProcessPort, logger: WorkerLogger) {
  const controller = new AbortController();
  const { promise: received, resolve } = Promise.withResolvers<void>();
  const listeners = Object.entries(SIGNALS).map(([name, number]) => {
    const signal = name as NodeJS.Signals;
    const listener = () => {
      if (controller.signal.aborted) {
        port.exit(128 + number);
        return;
      }
      logger.info({ signal }, 'stopping');
      controller.abort(new Error(`stopped by ${signal}`));
      resolve();
    };
    port.on(signal, listener);
    return { signal, listener };
  });
  const close = () => {
    for (const { signal, listener } of listeners) port.off(signal, listener);
  };
  return { abort: controller.signal, received, close };
}

async function stopAll(
  started: readonly Service[],
  {
    logger,
    stopTimeoutMs,
    port,
    clock,
  }: { logger: WorkerLogger; stopTimeoutMs: number; port: ProcessPort; clock: Clock },
): Promise<void> {
  let stopping = '';
  const cancel = clock.schedule(stopTimeoutMs, () => {
    logger.error({ service: stopping, stopTimeoutMs }, 'did not stop in time; leaving');
    port.exit(1);
  });
  for (const service of started.toReversed()) {
    stopping = service.name;
    try {
      await service.stop();
    } catch (error) {
      logger.error({ service: service.name, error }, 'failed to stop');
    }
  }
  cancel();
  logger.info({}, 'stopped');
}
