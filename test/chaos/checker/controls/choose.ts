// What negative controls choose from a valid history, and how they change it.
import type { CheckName } from '../checks.ts';
import type { History } from '../example/history-files.ts';
import { request } from '../example/sign.ts';
import * as world from '../example/world.ts';
import { at } from '../example/world.ts';
import type { Arrival, AttemptRow, DeliveryRow, Endpoint, WriterTransaction } from '../history.ts';

export interface Control {
  check: CheckName;
  /** What was done, as the end of "C1 objects to …". */
  name: string;
  /** `pick` chooses one of several; throws when there is none, so that no control does nothing. */
  mutate: (history: History, pick: Pick) => void;
}

export type Pick = <T>(from: readonly T[]) => T;

export const id = ({ headers }: Arrival) => headers['x-webhook-event-id']!;
export const sequenceOf = ({ headers }: Arrival) => Number(headers['x-webhook-sequence']);
export const arrivalsOf = (history: History, endpoint: Endpoint) =>
  history.receiver.filter(({ path }) => path === endpoint.path);
export const isRow = (row: { endpoint_id: string; event_id: string }, of: { endpoint_id: string; event_id: string }) =>
  row.endpoint_id === of.endpoint_id && row.event_id === of.event_id;

/** Delivered on a lane at the first attempt, with a delivered successor, away from all faults. */
export function plain(history: History, endpoint = world.steady): DeliveryRow[] {
  return history.deliveries.filter(
    (row) =>
      row.endpoint_id === endpoint.id &&
      row.state === 'delivered' &&
      row.sequence !== null &&
      row.sequence > 1 &&
      row.attempts === 1 &&
      Date.parse(row.enqueued_at) < at(world.KILL - 5_000) &&
      history.deliveries.some((next) => isNext(next, row)),
  );
}

export const isNext = (next: DeliveryRow, row: DeliveryRow) =>
  next.endpoint_id === row.endpoint_id && next.stream_id === row.stream_id && next.sequence === row.sequence! + 1;

export const arrivalsFor = (history: History, row: DeliveryRow) =>
  history.receiver.filter((arrival) => id(arrival) === row.event_id && arrival.path === pathOf(row.endpoint_id));
export const attemptsFor = (history: History, row: DeliveryRow) => history.attempts.filter((one) => isRow(one, row));
export const pathOf = (endpointId: string) => world.endpoints.find((one) => one.id === endpointId)!.path;

/** Failed attempts with a recorded retry after them, away from the kill. */
export function retried(history: History, isWanted: (row: AttemptRow) => boolean = () => true) {
  return history.attempts.flatMap((row) => {
    const next = history.attempts.find(
      (one) => isRow(one, row) && one.epoch === row.epoch && one.number === row.number + 1,
    );
    if (!next || row.outcome !== 'failure' || row.endpoint_id !== world.failing.id || !isWanted(row)) return [];
    return [{ row, next, arrival: find(history, row), nextArrival: find(history, next) }];
  });
}

export const find = (history: History, row: AttemptRow): Arrival =>
  history.receiver.find(
    (one) =>
      id(one) === row.event_id &&
      one.path === pathOf(row.endpoint_id) &&
      one.headers['x-webhook-attempt'] === String(row.number) &&
      one.headers['x-webhook-epoch'] === String(row.epoch),
  )!;

export const isOnRecord = (history: History, arrival: Arrival) =>
  history.attempts.some(
    (row) =>
      row.event_id === id(arrival) &&
      pathOf(row.endpoint_id) === arrival.path &&
      String(row.number) === arrival.headers['x-webhook-attempt'] &&
      String(row.epoch) === arrival.headers['x-webhook-epoch'],
  );

/** The same request again, signed anew, at another time. */
export function again(
  history: History,
  arrival: Arrival,
  receivedAt: number,
  changes: { epoch?: number; attempt?: number } = {},
): Arrival {
  const endpoint = history.manifest.endpoints.find(({ path }) => path === arrival.path)!;
  const signed = request(endpoint, {
    eventId: id(arrival),
    type: arrival.headers['x-webhook-event-type']!,
    streamId: arrival.headers['x-webhook-stream-id']!,
    sequence: arrival.headers['x-webhook-sequence'] === undefined ? null : sequenceOf(arrival),
    attempt: changes.attempt ?? Number(arrival.headers['x-webhook-attempt']),
    epoch: changes.epoch ?? Number(arrival.headers['x-webhook-epoch']),
    payload: arrival.body,
    at: receivedAt - 2,
    iv: Buffer.alloc(16, 7),
  });
  return { ...arrival, ...signed, receivedAt, answeredAt: receivedAt + 3 };
}

export function shift(arrival: Arrival, ms: number): void {
  arrival.receivedAt += ms;
  if (arrival.answeredAt !== null) arrival.answeredAt += ms;
}

export const writtenIn = (history: History, eventId: string): WriterTransaction =>
  history.writer.find(({ events }) => events.some((event) => event.eventId === eventId))!;

export function drop<T>(from: T[], isDropped: (one: T) => boolean): void {
  const kept = from.filter((one) => !isDropped(one));
  if (kept.length === from.length) throw new Error('this control drops nothing');
  from.splice(0, from.length, ...kept);
}

export const raise = (history: History, counter: string, by: number) => {
  const file = 'consumer-1-12.prom';
  const line = history.metrics[file]!.split('\n').find((one) => one.startsWith(counter))!;
  const value = Number(line.slice(line.lastIndexOf(' '))) + by;
  history.metrics[file] = history.metrics[file]!.replace(line, `${line.slice(0, line.lastIndexOf(' '))} ${value}`);
};
