// Checks that a broker outage leaves a few log lines, not a flood.
import { FakeClock } from '#clock';
import kafkajs from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { clientLogs } from './client-logs.ts';

function collect() {
  const lines: { level: string; message: string; repeated?: unknown }[] = [];
  const write = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...('repeated' in fields ? { repeated: fields.repeated } : {}) });
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  const clock = new FakeClock();
  const log = clientLogs(logger, clock)(kafkajs.logLevel.INFO);
  const say = (level: number, message: string, extra: object = {}) =>
    log({ namespace: 'Connection', level, label: '', log: { timestamp: '', message, ...extra } });
  return { lines, clock, say };
}

describe('clientLogs', () => {
  it('writes lines that differ only in numbers once per half-minute, then tells how many it left out', () => {
    const { lines, clock, say } = collect();
    for (let port = 1; port <= 50; port++) say(kafkajs.logLevel.ERROR, `connect ECONNREFUSED 127.0.0.1:${port}`);
    clock.advance(30_000);
    say(kafkajs.logLevel.ERROR, 'connect ECONNREFUSED 127.0.0.1:9092');
    expect(lines).toEqual([
      { level: 'warn', message: 'kafka client: connect ECONNREFUSED 127.0.0.1:1' },
      { level: 'warn', message: 'kafka client: connect ECONNREFUSED 127.0.0.1:9092', repeated: 49 },
    ]);
  });

  it('does not warn of a rebalance', () => {
    const { lines, say } = collect();
    say(kafkajs.logLevel.WARN, 'The group is rebalancing, re-joining');
    say(kafkajs.logLevel.ERROR, 'Response Heartbeat(key: 12, version: 3)', {
      error: 'The group is rebalancing, so a rejoin is needed',
    });
    expect(lines.map(({ level }) => level)).toEqual(['debug', 'debug']);
  });
});
