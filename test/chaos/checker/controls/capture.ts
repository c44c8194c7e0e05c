// Negative controls of C1 and C2: lost and phantom events.
import * as world from '../example/world.ts';
import { at } from '../example/world.ts';
import { id, arrivalsOf, isRow, plain, pathOf, again, writtenIn, drop, type Control } from './choose.ts';

export const captureControls: Control[] = [
  {
    check: 'C1',
    name: 'a delivery that is nowhere',
    mutate: (history, pick) => {
      const row = pick(plain(history));
      drop(history.deliveries, (one) => isRow(one, row));
      drop(history.attempts, (one) => isRow(one, row));
      drop(history.receiver, (one) => id(one) === row.event_id && one.path === pathOf(row.endpoint_id));
    },
  },
  {
    check: 'C1',
    name: 'an unordered delivery without a record',
    mutate: (history, pick) => {
      const row = pick(history.deliveries.filter((one) => one.sequence === null));
      drop(history.deliveries, (one) => isRow(one, row));
    },
  },
  {
    check: 'C1',
    name: 'half of a transaction of unknown outcome',
    mutate: (history, pick) => {
      const seen = new Set(history.deliveries.map((row) => row.event_id));
      const tx = pick(
        history.writer.filter(
          ({ outcome, events }) => outcome === 'unknown' && events.length > 1 && seen.has(events[0]!.eventId!),
        ),
      );
      const [first] = tx.events;
      drop(
        history.deliveries,
        (one) =>
          one.event_id === first!.eventId &&
          one.endpoint_id === history.deliveries.find((row) => row.event_id === first!.eventId)!.endpoint_id,
      );
    },
  },
  {
    check: 'C1',
    name: 'a lane that halted because its event is gone',
    mutate: (history) => {
      history.lanes.find(({ state }) => state === 'halted')!.reason = 'event_lost';
    },
  },
  {
    check: 'C1',
    name: 'a wanted event that got no id',
    mutate: (history, pick) => {
      const tx = pick(history.writer.filter(({ outcome }) => outcome === 'committed'));
      tx.events.push({ ...tx.events[0]!, eventId: null, key: 'a key that nobody saw' });
    },
  },
  {
    check: 'C1',
    name: 'a history that never came to rest',
    mutate: ({ manifest }) => void (manifest.quiescedAt = null),
  },
  {
    check: 'C1',
    name: 'a waiting delivery on a lane that is open',
    mutate: (history) => {
      history.lanes.find(({ state }) => state === 'halted')!.state = 'open';
    },
  },
  {
    check: 'C2',
    name: 'events of a transaction that was rolled back',
    mutate: (history, pick) => void (writtenIn(history, pick(plain(history)).event_id).outcome = 'rolled_back'),
  },
  {
    check: 'C2',
    name: 'an event that nobody wrote',
    mutate: (history, pick) => {
      const tx = writtenIn(history, pick(plain(history)).event_id);
      tx.events.splice(0, 1);
    },
  },
  {
    check: 'C2',
    name: 'an event at another tenant’s endpoint',
    mutate: (history, pick) => {
      const arrival = pick(arrivalsOf(history, world.steady));
      history.receiver.push({ ...again(history, { ...arrival, path: world.halting.path }, at(80_000)), n: 1e6 });
    },
  },
  {
    check: 'C2',
    name: 'a record on the topic of a transaction that was rolled back',
    mutate: (history, pick) => {
      const { events } = pick(history.writer.filter(({ outcome }) => outcome === 'rolled_back'));
      history.topics.push({
        ...history.topics[0]!,
        headers: { ...history.topics[0]!.headers, ce_id: events[0]!.eventId! },
      });
    },
  },
  {
    check: 'C2',
    name: 'a type that the endpoint did not ask for',
    mutate: ({ manifest }) => void (manifest.endpoints[4]!.eventTypes = ['CARD_3DS']),
  },
];
