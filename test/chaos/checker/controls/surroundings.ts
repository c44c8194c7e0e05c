// Negative controls of C13, C14 and C15: recovery, secrecy and counters.
import * as world from '../example/world.ts';
import { at } from '../example/world.ts';
import { drop, raise, type Control } from './choose.ts';

export const surroundingsControls: Control[] = [
  {
    check: 'C13',
    name: 'a recovery beyond its bound',
    mutate: ({ recoveries }) => void (recoveries[0]!.recoveredAfterMs = 15_100),
  },
  {
    check: 'C13',
    name: 'no recovery at all',
    mutate: ({ recoveries }) => void (recoveries[1]!.recoveredAfterMs = null),
  },
  { check: 'C13', name: 'a recovery that nobody measured', mutate: ({ recoveries }) => void recoveries.pop() },
  {
    check: 'C13',
    name: 'silence that the runner did not see',
    mutate: (history) =>
      drop(history.receiver, ({ receivedAt }) => receivedAt > at(world.KILL) && receivedAt < at(world.KILL + 20_000)),
  },
  {
    check: 'C14',
    name: 'a token in a log',
    mutate: ({ logs }) => void (logs['relay-1.log'] += `authorization: ${world.TOKEN}\n`),
  },
  {
    check: 'C14',
    name: 'a card number across two chunks of a large log',
    mutate: ({ logs }) => {
      const chunk = 4 * 1024 * 1024;
      logs['status-1.log'] = `${'x'.repeat(chunk - 8)}${world.CARD_NUMBER}${'y'.repeat(100)}`;
    },
  },
  {
    check: 'C14',
    name: 'a secret in Base64 in a metric',
    mutate: ({ metrics }) => {
      const text = Buffer.from(world.steady.secrets[0]!.secret).toString('base64');
      metrics['relay-1-21.prom'] += `waybill_build_info{secret="${text}"} 1\n`;
    },
  },
  {
    check: 'C14',
    name: 'a card number in a header on the topic',
    mutate: (history, pick) =>
      void (pick(history.topics).headers['waybill-payload-fault'] = `bad: ${world.CARD_NUMBER}`),
  },
  {
    check: 'C14',
    name: 'a token among the headers on record',
    mutate: (history, pick) =>
      void (pick(history.attempts).request_headers = JSON.stringify({ 'X-Api-Key': world.TOKEN })),
  },
  {
    check: 'C14',
    name: 'a card number in a lane’s error',
    mutate: (history, pick) => void (pick(history.lanes).last_error_class = `no such card: ${world.CARD_NUMBER}`),
  },
  {
    check: 'C15',
    name: 'more successes than there were',
    mutate: (history) => raise(history, 'waybill_delivery_attempts_total{outcome="success"', 500),
  },
  {
    check: 'C15',
    name: 'fewer failures than there were',
    mutate: (history) => {
      const isIt = (name: string) => name.includes('error_class="http_4xx"');
      for (const { metrics } of history.samples)
        for (const name of Object.keys(metrics)) if (isIt(name)) metrics[name] = 0;
      for (const [file, text] of Object.entries(history.metrics))
        history.metrics[file] = text.replaceAll(/(error_class="http_4xx".*) \d+/g, '$1 0');
    },
  },
  {
    check: 'C15',
    name: 'a counter that fell',
    mutate: (history, pick) => {
      const { metrics } = pick(
        history.samples.filter(({ process, at: sampledAt }) => process === 'relay-1' && sampledAt > at(10_000)),
      );
      metrics['waybill_outbox_published_total'] = 0;
    },
  },
  {
    check: 'C15',
    name: 'an order violation that a process counted',
    mutate: (history) => raise(history, 'waybill_order_violations_total', 1),
  },
  {
    check: 'C15',
    name: 'records on the topic that nobody counted',
    mutate: (history) => {
      history.metrics['relay-1-21.prom'] = '';
      for (const { process, metrics } of history.samples)
        if (process === 'relay-1') metrics['waybill_outbox_published_total'] = 3;
    },
  },
];
