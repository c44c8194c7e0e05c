// Negative controls of C10, C11 and C12: schedule, isolation and the state machine.
import * as world from '../example/world.ts';
import { at } from '../example/world.ts';
import { id, arrivalsOf, plain, attemptsFor, retried, isOnRecord, shift, type Control } from './choose.ts';

export const timeAndStateControls: Control[] = [
  {
    check: 'C10',
    name: 'a retry before it was due',
    mutate: (history, pick) => {
      const { arrival, nextArrival } = pick(retried(history, (row) => row.number === 1));
      shift(nextArrival, arrival.answeredAt! + 40 - nextArrival.receivedAt);
    },
  },
  {
    check: 'C10',
    name: 'a Retry-After that nobody heeded',
    mutate: (history, pick) => {
      const { arrival, row } = pick(retried(history, ({ number }) => number === 1));
      row.status_code = 429;
      Object.assign(arrival, { status: 429, retryAfter: '60' });
    },
  },
  {
    check: 'C10',
    name: 'a retry long after it was due',
    mutate: (history, pick) => {
      const { nextArrival } = pick(retried(history, (row) => Date.parse(row.started_at) < at(world.KILL - 4_000)));
      shift(nextArrival, 3_500);
    },
  },
  {
    check: 'C10',
    name: 'a retry while the request before it may still be answered',
    mutate: (history, pick) => {
      const hung = history.receiver.filter(({ behaviour }) => behaviour === 'hang');
      const pairs = hung.flatMap((first) => {
        const next = history.receiver.find(
          (one) => one.n > first.n && id(one) === id(first) && one.path === first.path,
        );
        return next && isOnRecord(history, first) ? [{ first, next }] : [];
      });
      const { first, next } = pick(pairs);
      shift(next, first.receivedAt + 1_000 - next.receivedAt);
    },
  },
  {
    check: 'C10',
    name: 'a timeout before its time',
    mutate: (history, pick) =>
      void (pick(history.attempts.filter((row) => row.error_class === 'timeout')).duration_ms = 1_000),
  },
  {
    check: 'C10',
    name: 'a request beyond its deadline',
    mutate: (history, pick) => {
      const early = history.attempts.filter((row) => Date.parse(row.started_at) < at(world.KILL - 5_000));
      pick(early).duration_ms = 2_500;
    },
  },
  {
    check: 'C11',
    name: 'healthy lanes that wait while others fail',
    mutate: (history) => {
      for (const arrival of arrivalsOf(history, world.steady))
        if (arrival.receivedAt > at(world.TROUBLE)) shift(arrival, 1_000);
    },
  },
  {
    check: 'C11',
    name: 'one healthy lane that waits while others fail',
    mutate: (history) => {
      for (const arrival of arrivalsOf(history, world.steady))
        if (arrival.headers['x-webhook-stream-id'] === 'a-1' && arrival.receivedAt > at(world.TROUBLE))
          shift(arrival, 1_000);
    },
  },
  {
    check: 'C12',
    name: 'a delivery in both tables',
    mutate: (history, pick) =>
      void history.deliveries.push({ ...pick(plain(history)), table: 'delivery', state: 'parked' }),
  },
  {
    check: 'C12',
    name: 'a cursor that went back',
    mutate: (history, pick) => void pick(history.lanes.filter(({ delivered }) => delivered > 0)).delivered--,
  },
  {
    check: 'C12',
    name: 'a cursor ahead of what has ended',
    mutate: (history, pick) => void pick(history.lanes).delivered++,
  },
  {
    check: 'C12',
    name: 'an attempt after the success',
    mutate: (history, pick) => {
      const [row] = attemptsFor(history, pick(plain(history)));
      history.attempts.push({ ...row!, number: 2, outcome: 'failure', status_code: 500 });
    },
  },
  {
    check: 'C12',
    name: 'a number of an attempt twice',
    mutate: (history, pick) => {
      const { next } = pick(retried(history));
      Object.assign(next, { epoch: next.epoch + 1, number: 1 });
    },
  },
  {
    check: 'C12',
    name: 'a lane that is parked at rest',
    mutate: (history, pick) => void (pick(history.lanes.filter(({ state }) => state === 'open')).state = 'parked'),
  },
  {
    check: 'C12',
    name: 'a skip that was applied, of a delivery that was not skipped',
    mutate: (history) => {
      const skipped = history.deliveries.find(({ reason }) => reason?.startsWith('operator'))!;
      Object.assign(skipped, { state: 'delivered', reason: null });
    },
  },
  {
    check: 'C12',
    name: 'a command that nobody closed',
    mutate: (history, pick) => void Object.assign(pick(history.commands), { closed_at: null, result: null }),
  },
];
