// Negative controls of C8 and C9: duplicates, and records that don’t tell the truth.
import * as world from '../example/world.ts';
import { at } from '../example/world.ts';
import {
  id,
  arrivalsOf,
  plain,
  arrivalsFor,
  pathOf,
  retried,
  find,
  isOnRecord,
  again,
  drop,
  type Control,
} from './choose.ts';

export const answersControls: Control[] = [
  {
    check: 'C8',
    name: 'a second request in the same epoch',
    mutate: (history, pick) => {
      const [arrival] = arrivalsFor(history, pick(plain(history)));
      history.receiver.push({ ...again(history, arrival!, arrival!.receivedAt + 500, { attempt: 2 }), n: 1e6 });
    },
  },
  {
    check: 'C8',
    name: 'a second request of a new owner without a fault',
    mutate: (history, pick) => {
      const [arrival] = arrivalsFor(history, pick(plain(history)));
      history.receiver.push({ ...again(history, arrival!, arrival!.receivedAt + 2_000, { epoch: 2 }), n: 1e6 });
    },
  },
  {
    check: 'C8',
    name: 'a second request after a clean stop',
    mutate: (history) => {
      const arrival = arrivalsOf(history, world.steady).findLast(({ receivedAt }) => receivedAt < at(world.TERM))!;
      history.receiver.push({ ...again(history, arrival, at(world.TERM + 800), { epoch: 3 }), n: 1e6 });
    },
  },
  {
    check: 'C9',
    name: 'a success that was answered with a failure',
    mutate: (history, pick) => void (arrivalsFor(history, pick(plain(history)))[0]!.status = 503),
  },
  {
    check: 'C9',
    name: 'a status that nobody gave',
    mutate: (history, pick) => {
      const row = pick(retried(history)).row;
      row.status_code = 418;
    },
  },
  {
    check: 'C9',
    name: 'an attempt that never arrived',
    mutate: (history, pick) => {
      const { row } = pick(retried(history));
      drop(history.receiver, (one) => one === find(history, row));
    },
  },
  {
    check: 'C9',
    name: 'a request that is on no record',
    mutate: (history, pick) => {
      const { row } = pick(retried(history, (one) => Date.parse(one.started_at) < at(world.KILL - 8_000)));
      drop(history.attempts, (one) => one === row);
    },
  },
  {
    check: 'C9',
    name: 'a full answer that is told as unknown',
    mutate: (history, pick) => {
      const { row } = pick(retried(history, (one) => Date.parse(one.started_at) < at(world.KILL - 1_000)));
      Object.assign(row, { outcome: 'unknown', status_code: null, error_class: 'connection_reset' });
    },
  },
  {
    check: 'C9',
    name: 'a lost answer that is told as a failure before sending',
    mutate: (history, pick) =>
      void (pick(history.attempts.filter(({ outcome }) => outcome === 'unknown')).outcome = 'failure'),
  },
  {
    check: 'C9',
    name: 'a delivery told as delivered without a success',
    mutate: (history, pick) =>
      void (pick(history.deliveries.filter(({ state }) => state === 'exhausted')).state = 'delivered'),
  },
  {
    check: 'C9',
    name: 'one attempt less by the record',
    mutate: (history, pick) => void pick(plain(history)).attempts--,
  },
  {
    check: 'C9',
    name: 'a new owner that does not say what may have been',
    mutate: (history) => {
      const unrecorded = history.receiver.find((one) => !isOnRecord(history, one))!;
      for (const row of history.attempts)
        if (row.event_id === id(unrecorded) && pathOf(row.endpoint_id) === unrecorded.path)
          row.earlier_attempts_possible = false;
    },
  },
  {
    check: 'C9',
    name: 'an API that shows another state',
    mutate: (history, pick) => void (pick(history.shown.filter(({ state }) => state === 'delivered')).state = 'parked'),
  },
  {
    check: 'C9',
    name: 'an API that shows an attempt less',
    mutate: (history, pick) => void pick(history.shown.filter(({ attempts }) => attempts > 0)).attemptRecords.pop(),
  },
];
