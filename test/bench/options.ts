// The benchmark's command line.
import { parseArgs } from 'node:util';

export const SCENARIOS = ['throughput', 'slow-receiver', 'latency', 'isolation', 'memory'] as const;
export type Scenario = (typeof SCENARIOS)[number];

export const USAGE = `usage: npm run bench -- [options]
  --scenario LIST      of ${SCENARIOS.join(', ')}, or all; default throughput,latency
  --events N           default 40000 (memory: 200000)      --streams N      default 1000 (memory: 100000)
  --payload BYTES      default 1024                        --endpoints N    default 1, each with its share of the streams
  --receiver-delay MS  default 0 (slow-receiver: 50)       --failures SHARE default 0; e.g. 0.2, answered with 500 at random
  --rate N             events per second of latency and isolation, default 200
  --seconds N          length of latency; isolation's runs take half of it each; default 30
  --batch N            calls in one transaction, default 50 (at a fixed rate of up to 500/s: 1, above: 10)
  --connections N      of the writer, default 4
  --max-concurrency N  of each endpoint, default 512
  --cpu-profile DIR    the services write CPU profiles there when they stop
  --profiled LIST      which of relay, consumer do; default both
  --keep-stack         leaves the servers running and says how to use them again
Servers: DATABASE_URL, KAFKA_BROKERS and SCHEMA_REGISTRY_URL when all are set, else a throwaway stack. Progress goes to
stderr; the last line of stdout is one JSON object.`;

export class UsageError extends Error {}

export type Options = ReturnType<typeof readOptions>;

/** @throws UsageError whose message is fit for people. */
export function readOptions(args: readonly string[]) {
  const given = parse(args);
  const number = (name: keyof typeof given, least: number, most: number): number | undefined => {
    const text = given[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (text === '' || !(value >= least && value <= most)) {
      throw new UsageError(`--${name}: must be a number from ${least} to ${most}\n${USAGE}`);
    }
    return value;
  };
  const whole = (name: keyof typeof given, least: number, most: number) => {
    const value = number(name, least, most);
    if (value !== undefined && !Number.isInteger(value))
      throw new UsageError(`--${name}: must be a whole number\n${USAGE}`);
    return value;
  };
  return {
    scenarios: listOf('scenario', given.scenario === 'all' ? SCENARIOS.join() : given.scenario, SCENARIOS),
    events: whole('events', 1_000, 10_000_000),
    streams: whole('streams', 1, 1_000_000),
    payloadBytes: whole('payload', 100, 500_000) ?? 1_024,
    endpoints: whole('endpoints', 1, 1_000) ?? 1,
    receiverDelayMs: whole('receiver-delay', 0, 20_000) ?? 0,
    failureShare: number('failures', 0, 0.9) ?? 0,
    rate: number('rate', 1, 100_000) ?? 200,
    seconds: whole('seconds', 2, 3_600) ?? 30,
    batch: whole('batch', 1, 1_000),
    connections: whole('connections', 1, 50) ?? 4,
    maxConcurrency: whole('max-concurrency', 1, 1_024) ?? 512,
    cpuProfileDir: given['cpu-profile'] ?? null,
    profiled: listOf('profiled', given.profiled, ['relay', 'consumer'] as const),
    keepStack: given['keep-stack'] === true,
  };
}

function parse(args: readonly string[]) {
  const text = (byDefault?: string) => ({
    type: 'string' as const,
    ...(byDefault !== undefined && { default: byDefault }),
  });
  try {
    return parseArgs({
      args: [...args],
      options: {
        scenario: text('throughput,latency'),
        events: text(),
        streams: text(),
        payload: text(),
        endpoints: text(),
        'receiver-delay': text(),
        failures: text(),
        rate: text(),
        seconds: text(),
        batch: text(),
        connections: text(),
        'max-concurrency': text(),
        'cpu-profile': text(),
        profiled: text('relay,consumer'),
        'keep-stack': { type: 'boolean' },
      },
    }).values as { 'keep-stack'?: boolean } & { [name: string]: string | undefined };
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}

function listOf<T extends string>(name: string, given: string | undefined, known: readonly T[]): T[] {
  const wanted = (given ?? '').split(',');
  const unknown = wanted.find((one) => !known.includes(one as T));
  if (unknown !== undefined) throw new UsageError(`--${name}: "${unknown}" is none of ${known.join(', ')}\n${USAGE}`);
  return known.filter((one) => wanted.includes(one));
}
