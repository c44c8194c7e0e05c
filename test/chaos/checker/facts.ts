// The history in memory, put together by delivery and lane: what was written, what arrived, what the records say.
import type {
  AttemptRow,
  AuditRow,
  CommandRow,
  DeliveryRow,
  Endpoint,
  Fault,
  LaneRow,
  Manifest,
  Stall,
} from './history.ts';
import type { Request } from './request.ts';

/** Types that keep no order, and when they are of no use any more: the public contract's, not the product's code. */
export const UNORDERED: ReadonlyMap<string, { expiresAfterMs: number }> = new Map([
  ['CARD_3DS', { expiresAfterMs: 600_000 }],
  ['CARD_VERIFICATION', { expiresAfterMs: 600_000 }],
]);

/** Receiver and runner write whole milliseconds: two of their instants may be this much off each other. */
export const CLOCK_MS = 2;
/** Processes time by the database's clock as they last read it: instants of theirs may be this much off the machine's. */
export const DATABASE_CLOCK_MS = 250;

/** One event id, or, as long as that never came back, one key of the writer's. */
export interface WrittenEvent {
  eventId: string | null;
  tenantId: string;
  streamId: string;
  type: string;
  sha256: string;
  key: string;
  /** The best that is known of any transaction that wrote it: an id may be tried again. */
  outcome: 'committed' | 'rolled_back' | 'unknown';
  /** Beginning of the first transaction that may have committed it, end of the last one. */
  beganAt: number;
  endedAt: number;
  /** Of the transactions that may have committed it: number and place in it. */
  calls: { tx: number | string; index: number }[];
}

/** waybill.delivery or waybill.delivery_history, its payload as a hash. */
export interface DeliveryRecord extends Omit<DeliveryRow, 'payload'> {
  payloadSha256: string;
  finishedAt: number;
  enqueuedAt: number;
}

/** A row of waybill.attempt without its headers. */
export interface AttemptRecord extends Omit<
  AttemptRow,
  'request_headers' | 'response_headers' | 'response_body' | 'started_at'
> {
  startedAt: number;
}

/** One event at one endpoint: all that is known of it. */
export interface Delivery {
  endpoint: Endpoint;
  eventId: string;
  /** undefined: nobody wrote it. */
  event: WrittenEvent | undefined;
  /** More than one is a fault. */
  records: DeliveryRecord[];
  /** In the order in which they were made. */
  attempts: AttemptRecord[];
  /** In the order of arrival. */
  requests: Request[];
  /** As the record has it, or the first request. */
  sequence: number | null;
}

export interface LaneFacts {
  endpoint: Endpoint;
  streamId: string;
  row: LaneRow | undefined;
  /** By sequence: normally one each. */
  deliveries: Map<number, Delivery[]>;
  commands: CommandRow[];
}

/** Requests that no delivery could be made of. */
export interface Stray {
  n: number;
  path: string;
  why: string;
}

export interface Facts {
  folder: string;
  manifest: Manifest;
  events: WrittenEvent[];
  byEventId: Map<string, WrittenEvent>;
  /** By `deliveryKey`. */
  deliveries: Map<string, Delivery>;
  /** By `laneKey`; unordered deliveries are in none. */
  lanes: Map<string, LaneFacts>;
  requests: Request[];
  strays: Stray[];
  commands: CommandRow[];
  audit: AuditRow[];
  faults: Fault[];
  /** When the machine itself let processes wait. */
  stalls: Stall[];
}

export const deliveryKey = (endpointId: string, eventId: string): string => `${endpointId} ${eventId}`;
export const laneKey = (endpointId: string, streamId: string): string => `${endpointId} ${streamId}`;

/** The endpoints that a committed event must reach; those deleted while it was written may or may not get it. */
export function targetsOf(event: WrittenEvent, { manifest }: Facts): { must: Endpoint[]; may: Endpoint[] } {
  const may = manifest.endpoints.filter(
    ({ tenantId, eventTypes, deletedAt }) =>
      tenantId === event.tenantId &&
      (eventTypes === null || eventTypes.includes(event.type)) &&
      (deletedAt === null || event.beganAt < deletedAt),
  );
  return { must: may.filter(({ deletedAt }) => deletedAt === null || event.endedAt < deletedAt), may };
}

/** Something of it reached the topic's far side: a row or a request. */
export function isSeen(event: WrittenEvent, facts: Facts): boolean {
  const { eventId } = event;
  return (
    eventId !== null && targetsOf(event, facts).may.some(({ id }) => facts.deliveries.has(deliveryKey(id, eventId)))
  );
}

export const isOrdered = (type: string): boolean => !UNORDERED.has(type);

/** For a violation: which delivery is meant. */
export function aboutDelivery({
  endpoint,
  eventId,
  event,
  sequence,
}: Delivery): Record<string, string | number | null> {
  return { endpointId: endpoint.id, path: endpoint.path, streamId: event?.streamId ?? null, sequence, eventId };
}
