// Sends kafkajs's log lines through our logger: quieter, and once per half-minute where it would flood.
import type { Clock } from '#clock';
import type { logCreator, LogEntry } from 'kafkajs';
import { logLevel } from './kafkajs.ts';
import type { KafkaLogger } from './port.ts';

const WINDOW_MS = 30_000;
const MAX_KINDS = 200;

/** What kafkajs reports as an error though it is the group protocol at work: members come and go. */
const EXPECTED = /rebalanc|rejoin|re-joining|coordinator is not aware of this member|this link was given up/i;

/**
 * kafkajs logs each failed connection attempt as an error: hundreds a minute while brokers are away. Faults that matter
 * reach the caller as values, so its errors become our warnings, its warnings and infos our debug lines, and a line
 * that differs only in numbers is written once per 30 s, with the count of those left out.
 */
export function clientLogs(logger: KafkaLogger, clock: Clock): logCreator {
  const shouldWrite = throttle(clock);
  return () => (entry) => {
    const level = entry.level === logLevel.ERROR && !isExpected(entry) ? 'warn' : 'debug';
    const { message } = entry.log;
    const { error, broker, groupId, topic, partition } = entry.log as Record<string, unknown>;
    const repeated = shouldWrite(`${entry.namespace} ${message}`);
    if (repeated === null) return;
    const fields = { client: entry.namespace, error, broker, groupId, topic, partition };
    logger[level](repeated === 0 ? fields : { ...fields, repeated }, `kafka client: ${message}`);
  };
}

function isExpected({ log }: LogEntry): boolean {
  return EXPECTED.test(log.message) || (typeof log['error'] === 'string' && EXPECTED.test(log['error']));
}

/** Answers with the number of lines left out since the last one of this kind, or null when this one is left out too. */
function throttle(clock: Clock): (text: string) => number | null {
  const kinds = new Map<string, { writtenAt: number; repeated: number }>();
  return (text) => {
    const kind = text.replaceAll(/\d+/g, '#');
    const now = clock.monotonic();
    const known = kinds.get(kind);
    if (known && now - known.writtenAt < WINDOW_MS) {
      known.repeated++;
      return null;
    }
    if (kinds.size >= MAX_KINDS) kinds.clear();
    kinds.set(kind, { writtenAt: now, repeated: 0 });
    return known?.repeated ?? 0;
  };
}
