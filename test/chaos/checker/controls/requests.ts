// Negative controls of C6 and C7: what each request says and how it is signed.
import { createHash } from 'node:crypto';
import * as world from '../example/world.ts';
import { at } from '../example/world.ts';
import { sequenceOf, arrivalsOf, plain, isNext, arrivalsFor, retried, find, again, type Control } from './choose.ts';

export const requestsControls: Control[] = [
  {
    check: 'C6',
    name: 'one byte of a body',
    mutate: (history, pick) => {
      const arrival = pick(arrivalsOf(history, world.steady));
      arrival.body = arrival.body.replace('1.10', '1.1 ');
    },
  },
  {
    check: 'C6',
    name: 'another body under a good signature',
    mutate: (history, pick) => {
      const arrival = pick(arrivalsOf(history, world.steady));
      const body = arrival.body.replace('1.10', '1.1');
      Object.assign(arrival, again(history, { ...arrival, body }, arrival.receivedAt));
    },
  },
  {
    check: 'C6',
    name: 'a number of another place in the lane',
    mutate: (history, pick) => {
      const arrival = pick(arrivalsOf(history, world.failing));
      arrival.headers['x-webhook-sequence'] = String(sequenceOf(arrival) + 1);
    },
  },
  {
    check: 'C6',
    name: 'an IV that was used before',
    mutate: (history, pick) => {
      const { arrival, nextArrival } = pick(retried(history));
      nextArrival.body = arrival.body;
    },
  },
  {
    check: 'C6',
    name: 'another payload on record',
    mutate: (history, pick) => void (pick(plain(history)).payload += ' '),
  },
  {
    check: 'C6',
    name: 'another payload on the topic',
    mutate: (history, pick) => {
      const record = pick(history.topics);
      record.valueBase64 = Buffer.concat([Buffer.from(record.valueBase64!, 'base64'), Buffer.from(' ')]).toString(
        'base64',
      );
    },
  },
  {
    check: 'C6',
    name: 'two events with one number',
    mutate: (history, pick) => {
      const row = pick(plain(history));
      const next = history.deliveries.find((one) => isNext(one, row))!;
      next.sequence = row.sequence;
      for (const arrival of arrivalsFor(history, next)) arrival.headers['x-webhook-sequence'] = String(row.sequence);
    },
  },
  {
    check: 'C6',
    name: 'a type that was not written',
    mutate: (history, pick) =>
      void (pick(arrivalsOf(history, world.steady)).headers['x-webhook-event-type'] = 'OTHER_NOTE'),
  },
  {
    check: 'C7',
    name: 'a forged signature',
    mutate: (history, pick) => {
      const { headers } = pick(arrivalsOf(history, world.steady));
      const name = 'x-card-onboarding-signature';
      headers[name] = createHash('sha256').update(headers[name]!).digest('hex');
    },
  },
  {
    check: 'C7',
    name: 'a forged webhook signature',
    mutate: (history, pick) => {
      const { headers } = pick(arrivalsOf(history, world.skipping));
      headers['webhook-signature'] = `v1,${createHash('sha256').update('forged').digest('base64')}`;
    },
  },
  {
    check: 'C7',
    name: 'a forged envelope',
    mutate: (history, pick) => {
      const arrival = pick(arrivalsOf(history, world.failing));
      const hmac = createHash('sha256').update('forged').digest('hex');
      arrival.body = JSON.stringify({ ...(JSON.parse(arrival.body) as object), hmac });
    },
  },
  {
    check: 'C7',
    name: 'no previous signature while both secrets are valid',
    mutate: (history, pick) => {
      const both = arrivalsOf(history, world.steady).filter(
        ({ receivedAt }) => receivedAt > at(20_000) && receivedAt < at(22_000),
      );
      delete pick(both).headers['x-card-onboarding-signature-previous'];
    },
  },
  {
    check: 'C7',
    name: 'a secret that is valid no more',
    mutate: (history, pick) => {
      const late = pick(arrivalsOf(history, world.steady).filter(({ receivedAt }) => receivedAt > at(40_000)));
      const secrets = [{ ...world.steady.secrets[0]!, untilAt: null }];
      const [endpoint] = history.manifest.endpoints;
      const kept = endpoint!.secrets;
      endpoint!.secrets = secrets;
      Object.assign(late, again(history, late, late.receivedAt));
      endpoint!.secrets = kept;
    },
  },
  {
    check: 'C7',
    name: 'a timestamp of yesterday',
    mutate: (history, pick) => {
      const arrival = pick(arrivalsOf(history, world.skipping));
      const { headers } = again(history, arrival, arrival.receivedAt - 86_400_000);
      arrival.headers = headers;
    },
  },
  {
    check: 'C7',
    name: 'the signature of the attempt before',
    mutate: (history, pick) => {
      const rows = history.attempts.filter((row) => row.endpoint_id === world.halting.id && row.number === 2);
      const row = pick(rows);
      const first = find(history, { ...row, number: 1 });
      const second = find(history, row);
      for (const name of ['x-card-onboarding-timestamp', 'x-card-onboarding-signature'])
        second.headers[name] = first.headers[name]!;
    },
  },
];
