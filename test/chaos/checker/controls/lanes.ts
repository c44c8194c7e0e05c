// Negative controls of C3, C4 and C5: order, gaps and premature starts.
import * as world from '../example/world.ts';
import { iso } from '../example/world.ts';
import type { WriterTransaction } from '../history.ts';
import {
  id,
  sequenceOf,
  arrivalsOf,
  plain,
  isNext,
  arrivalsFor,
  attemptsFor,
  pathOf,
  writtenIn,
  drop,
  type Control,
} from './choose.ts';

export const lanesControls: Control[] = [
  {
    check: 'C3',
    name: 'two successes in the wrong order',
    mutate: (history, pick) => {
      const row = pick(plain(history));
      const next = history.deliveries.find((one) => isNext(one, row))!;
      const [a, b] = [arrivalsFor(history, row)[0]!, arrivalsFor(history, next)[0]!];
      [a.n, b.n] = [b.n, a.n];
    },
  },
  {
    check: 'C3',
    name: 'sequences against the order of the commits',
    mutate: (history, pick) => {
      const row = pick(plain(history));
      const next = history.deliveries.find(
        (one) =>
          one.endpoint_id === row.endpoint_id &&
          one.stream_id === row.stream_id &&
          Date.parse(one.enqueued_at) > Date.parse(row.enqueued_at) + 1_000,
      )!;
      const [a, b] = [writtenIn(history, row.event_id), writtenIn(history, next.event_id)];
      [a.beganAt, b.beganAt] = [b.beganAt, a.beganAt];
      [a.endedAt, b.endedAt] = [b.endedAt, a.endedAt];
    },
  },
  {
    check: 'C3',
    name: 'two calls of one transaction the other way round',
    mutate: (history, pick) => {
      const streams = (tx: WriterTransaction) => tx.events.map(({ streamId }) => streamId);
      const tx = pick(
        history.writer.filter(
          (one) => one.outcome === 'committed' && one.events.length > 1 && streams(one)[0] === streams(one)[1],
        ),
      );
      tx.events.reverse();
    },
  },
  {
    check: 'C4',
    name: 'a success that the receiver never had',
    mutate: (history, pick) => {
      const row = pick(plain(history));
      drop(history.receiver, (one) => id(one) === row.event_id && one.path === pathOf(row.endpoint_id));
    },
  },
  {
    check: 'C4',
    name: 'an operator’s skip that nobody commanded',
    mutate: (history) => {
      const skipped = history.deliveries.find(({ reason }) => reason?.startsWith('operator'))!;
      drop(history.commands, ({ kind, sequence }) => kind === 'skip' && sequence === skipped.sequence);
      // Something behind it must have succeeded for a gap to be one.
      const lane = history.deliveries.filter(
        (one) => one.endpoint_id === skipped.endpoint_id && one.stream_id === skipped.stream_id,
      );
      const next = lane.find((one) => one.sequence === skipped.sequence! + 1)!;
      arrivalsFor(history, next)[0]!.status = 200;
    },
  },
  {
    check: 'C4',
    name: 'an operator’s skip without an audit entry',
    mutate: (history) => {
      const skipped = history.deliveries.find(({ reason }) => reason?.startsWith('operator'))!;
      drop(
        history.audit,
        ({ action, details }) => action === 'lane.skip' && details?.['sequence'] === skipped.sequence,
      );
      const next = history.deliveries.find((one) => isNext(one, skipped))!;
      arrivalsFor(history, next)[0]!.status = 200;
    },
  },
  {
    check: 'C4',
    name: 'a skip after too few attempts',
    mutate: (history, pick) => {
      const skipped = pick(
        history.deliveries.filter(
          (one) =>
            one.endpoint_id === world.skipping.id &&
            one.state === 'skipped' &&
            history.deliveries.some((next) => isNext(next, one) && next.state === 'delivered'),
        ),
      );
      attemptsFor(history, skipped)[0]!.counted = false;
    },
  },
  {
    check: 'C4',
    name: 'a number that nobody used',
    mutate: (history, pick) => {
      const { stream_id: stream, sequence } = pick(plain(history));
      for (const row of history.deliveries)
        if (row.endpoint_id === world.steady.id && row.stream_id === stream && row.sequence! >= sequence!)
          row.sequence!++;
      for (const arrival of arrivalsOf(history, world.steady))
        if (arrival.headers['x-webhook-stream-id'] === stream && sequenceOf(arrival) >= sequence!)
          arrival.headers['x-webhook-sequence'] = String(sequenceOf(arrival) + 1);
    },
  },
  {
    check: 'C5',
    name: 'a start before the answer to its predecessor',
    mutate: (history, pick) => {
      const row = pick(plain(history));
      const next = history.deliveries.find((one) => isNext(one, row))!;
      arrivalsFor(history, row)[0]!.answeredAt = arrivalsFor(history, next)[0]!.receivedAt + 10;
    },
  },
  {
    check: 'C5',
    name: 'a start after a failure of its predecessor',
    mutate: (history, pick) => void (arrivalsFor(history, pick(plain(history)))[0]!.status = 500),
  },
  {
    check: 'C5',
    name: 'a start after a success that nobody was told of',
    mutate: (history, pick) => {
      const [arrival] = arrivalsFor(history, pick(plain(history)));
      Object.assign(arrival!, { answer: 'none', answeredAt: null });
    },
  },
  {
    check: 'C5',
    name: 'a start before the skip of its predecessor',
    mutate: (history, pick) => {
      const skipped = pick(
        history.deliveries.filter(
          (one) => one.state === 'skipped' && history.deliveries.some((next) => isNext(next, one) && next.attempts > 0),
        ),
      );
      skipped.finished_at = iso(Date.parse(skipped.finished_at!) + 60_000);
    },
  },
];
