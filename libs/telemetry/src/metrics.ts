// The process's metrics registry, with Node's own figures and the build's version in it from the start.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export { Counter, Gauge, Histogram, Registry };

/**
 * A registry of its own (never prom-client's global one: tests run several services in one process), holding the default
 * process metrics and `waybill_build_info{service,version,node}` = 1. Make metrics with `new Counter({ …, registers: [registry] })`.
 * Labels must stay bounded: no tenant, endpoint or stream.
 */
export function createMetrics(service: string, version: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const buildInfo = new Gauge({
    name: 'waybill_build_info',
    help: 'Always 1; which build of which service this is.',
    labelNames: ['service', 'version', 'node'],
    registers: [registry],
  });
  buildInfo.set({ service, version, node: process.version }, 1);
  return registry;
}
