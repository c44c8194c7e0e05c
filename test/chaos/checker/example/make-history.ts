// A small valid history: all three formats, retries, Retry-After, cut answers, timeouts, a kill with duplicates, skips, an expiry, a halted lane.
import { createHash } from 'node:crypto';
import type * as history from '../history.ts';
import type { History } from './history-files.ts';
import { type Behaviour, LaneRun, type Played, type Published } from './lane-run.ts';
import * as world from './world.ts';
import { at, iso } from './world.ts';

const STREAMS = 4;
const TX_EVERY_MS = 400;

export function makeHistory(seed: number): History {
  const random = randomOf(seed);
  const { writer, published } = write(random);
  const played = play(published, random);
  const arrivals = played
    .flatMap((one) => one.arrivals)
    .toSorted((a, b) => a.receivedAt - b.receivedAt)
    .map((arrival, index) => ({ n: index + 1, ...arrival }));
  const deliveries = [...played.flatMap((one) => one.deliveries), expired(published)];
  const attempts = played.flatMap((one) => one.attempts);
  const commands = played.flatMap((one) => one.commands);
  return {
    manifest: manifest(seed),
    writer,
    receiver: arrivals,
    deliveries,
    attempts,
    lanes: played.flatMap((one) => one.lane ?? []),
    commands,
    audit: played.flatMap((one) => one.audit).map((entry, index) => ({ id: index + 1, ...entry })),
    shown: deliveries.slice(0, 30).map((row) => show(row, attempts)),
    topics: published.map((event, offset) => topicRecord(event, offset, deliveries)),
    faults: structuredClone(world.faults),
    recoveries: [
      { fault: 1, recoveredAfterMs: 6_200 },
      { fault: 2, recoveredAfterMs: 400 },
    ],
    stalls: [],
    ...observe(played, published, deliveries),
  };
}

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function manifest(seed: number): history.Manifest {
  return {
    version: 1,
    seed,
    startedAt: at(-700_000),
    endedAt: at(world.END),
    quiescedAt: at(world.REST),
    shutDownCleanlyAt: at(world.END),
    partitions: 1,
    topicPrefix: 'example',
    endpoints: structuredClone(world.endpoints),
    bounds: structuredClone(world.bounds),
    secretsToHide: [...world.secretsToHide],
  };
}

/** Transactions of one to three events; some rolled back, some of unknown outcome, seen or not. */
function write(random: () => number): { writer: history.WriterTransaction[]; published: Published[] } {
  const writer: history.WriterTransaction[] = [];
  const published: Published[] = [];
  const add = (ms: number, drafts: Published[], outcome: 'committed' | 'rolled_back' | 'unknown', isSeen: boolean) => {
    const events = drafts.map((draft, index) => ({
      // The second event of an unknown transaction: the connection broke before its id came back.
      eventId: outcome === 'unknown' && index === 1 ? null : draft.eventId,
      tenantId: draft.tenantId,
      streamId: draft.streamId,
      type: draft.type,
      bodySha256: createHash('sha256').update(draft.payload).digest('hex'),
      key: draft.key,
    }));
    writer.push({ tx: writer.length + 1, beganAt: at(ms) - 4, endedAt: at(ms) + 1, outcome, events });
    if (isSeen) published.push(...drafts);
  };
  let number = 0;
  const draft = (tenantId: string, stream: number, type: string, ms: number): Published => {
    const key = `key-${++number}`;
    return {
      eventId: `${String(number).padStart(8, '0')}-1111-4111-8111-111111111111`,
      type,
      tenantId,
      streamId: `${tenantId}-${stream}`,
      key,
      committedAt: at(ms),
      payload: `{ "writer_key": "${key}", "odd": 1.10, "card": "${world.CARD_NUMBER}" }`,
    };
  };
  add(-620_000, [draft('c', 0, 'CARD_3DS', -620_000)], 'committed', true);
  for (let ms = 0; ms < world.LAST_COMMIT; ms += TX_EVERY_MS) {
    // Delivered, but not on record when the process is killed.
    if (ms === world.KILL) add(ms - 60, [draft('a', 0, 'LEDGER_NOTE', ms - 60)], 'committed', true);
    const tenant = 'ab'[Math.floor(random() * 2)]!;
    const streams = Array.from({ length: 1 + Math.floor(random() * 3) }, () => Math.floor(random() * STREAMS));
    const drafts = streams.map((stream) => draft(tenant, stream, 'LEDGER_NOTE', ms));
    const draw = random();
    if (draw < 0.05) add(ms, drafts, 'rolled_back', false);
    else if (draw < 0.1) add(ms, drafts, 'unknown', draw < 0.08);
    else add(ms, drafts, 'committed', true);
    if (ms % 2_000 === 0) add(ms + 20, [draft('c', 0, 'CARD_VERIFICATION', ms + 20)], 'committed', true);
  }
  return { writer, published };
}

function play(published: readonly Published[], random: () => number): Played[] {
  const played: Played[] = [];
  for (const endpoint of world.endpoints) {
    const events = published.filter(({ tenantId }) => tenantId === endpoint.tenantId);
    if (endpoint === world.cards) {
      for (const [index, event] of events.slice(1).entries()) {
        const behave = quietAtFirst(index % 3 === 0 ? () => ({ status: 500 }) : moody(random, 0.4));
        played.push(new LaneRun({ endpoint, events: [event], random, behave, operator: [], isOrdered: false }).run());
      }
      continue;
    }
    for (const [streamId, ofLane] of Map.groupBy(events, (event) => event.streamId)) {
      const { behave, operator } = temperOf(endpoint, streamId, random);
      played.push(new LaneRun({ endpoint, events: ofLane, random, behave, operator, isOrdered: true }).run());
    }
  }
  return played;
}

function temperOf(endpoint: history.Endpoint, streamId: string, random: () => number) {
  switch (endpoint) {
    case world.steady:
      return { behave: () => ({ status: 200 }), operator: [] };
    case world.halting:
      return { behave: quietAtFirst(stubborn(streamId)), operator: deeds(streamId) };
    default:
      return { behave: quietAtFirst(moody(random, 0.15)), operator: [] };
  }
}

type Behave = (event: Published, attempt: number) => Behaviour;

/** Nobody fails in the first seconds: what healthy lanes do then is the measure of what they do later. */
const quietAtFirst =
  (behave: Behave): Behave =>
  (event, attempt) =>
    event.committedAt < at(world.TROUBLE) ? { status: 200 } : behave(event, attempt);

/** One stream is refused for ever, of another each ninth event until an operator has had it tried again. */
function stubborn(streamId: string): Behave {
  if (streamId === 'b-3') return () => ({ status: 400 });
  if (streamId !== 'b-2') return () => ({ status: 200 });
  return ({ key }, attempt) =>
    Number(key.slice('key-'.length)) % 9 === 0 && attempt < 4 ? { status: 404 } : { status: 200 };
}

function deeds(streamId: string): ('retry' | 'skip')[] {
  if (streamId === 'b-3') return ['skip', 'retry', 'skip'];
  return Array.from({ length: streamId === 'b-2' ? 1_000 : 0 }, () => 'retry');
}

/** Fails this share of the attempts, in several ways. */
function moody(random: () => number, share: number): Behave {
  return () => {
    const draw = random() / share;
    if (draw >= 1) return random() < 0.05 ? { status: 200, answer: 'cut' } : { status: 200 };
    if (draw < 0.2) return { status: null };
    if (draw < 0.35) return { status: 503, retryAfter: '1' };
    return { status: 500 };
  };
}

/** The very first event: it was of no use any more when its turn came. */
function expired([event]: readonly Published[]): history.DeliveryRow {
  const { eventId, tenantId, streamId, type, payload, committedAt } = event!;
  return {
    table: 'delivery_history',
    endpoint_id: world.cards.id,
    event_id: eventId,
    tenant_id: tenantId,
    stream_id: streamId,
    sequence: null,
    event_type: type,
    partition: 0,
    state: 'expired',
    payload,
    payload_fault: null,
    occurred_at: iso(committedAt),
    enqueued_at: iso(committedAt),
    attempts: 0,
    status_code: null,
    error_class: null,
    first_attempt_at: null,
    last_attempt_at: null,
    reason: 'expired',
    finished_at: iso(at(0)),
  };
}

function show(row: history.DeliveryRow, attempts: readonly history.AttemptRow[]): history.ApiDelivery {
  const own = attempts.filter((one) => one.endpoint_id === row.endpoint_id && one.event_id === row.event_id);
  return {
    eventId: row.event_id,
    endpointId: row.endpoint_id,
    streamId: row.stream_id,
    sequence: row.sequence,
    state: row.state,
    statusCode: row.status_code,
    errorClass: row.error_class,
    attempts: row.attempts,
    attemptRecords: own.map((one) => ({
      number: one.number,
      epoch: one.epoch,
      outcome: one.outcome,
      statusCode: one.status_code,
      errorClass: one.error_class,
    })),
  };
}

function topicRecord(
  event: Published,
  offset: number,
  deliveries: readonly history.DeliveryRow[],
): history.TopicRecord {
  const targets = deliveries.filter((row) => row.event_id === event.eventId);
  return {
    topic: 'example.events',
    partition: 0,
    offset: String(offset),
    timestamp: String(event.committedAt + 3),
    key: event.streamId,
    headers: {
      ce_id: event.eventId,
      ce_type: event.type,
      ce_subject: event.streamId,
      'waybill-targets': JSON.stringify(targets.map((row) => [row.endpoint_id, row.sequence])),
    },
    valueBase64: Buffer.concat([Buffer.alloc(5), Buffer.from(event.payload)]).toString('base64'),
  };
}

/** Scrapes every 2 s of two lives of a consumer and of a relay, and their logs. */
function observe(
  played: readonly Played[],
  published: readonly Published[],
  deliveries: readonly history.DeliveryRow[],
) {
  const made = played.flatMap((one) => one.made);
  const ended = deliveries.filter(({ table }) => table === 'delivery_history');
  const consumer = (epoch: number, until: number): Record<string, number> => {
    const own = made.filter((one) => one.epoch === epoch && one.endAt <= until);
    const isOwn = (ms: number) => (ms < at(world.KILL) ? 1 : 2) === epoch && ms <= until;
    const finished = (state: string) =>
      ended.filter((row) => row.state === state && isOwn(Date.parse(row.finished_at!))).length;
    const attempts = (outcome: string, errorClass: string) =>
      `waybill_delivery_attempts_total{outcome="${outcome}",error_class="${errorClass}",event_type="other"}`;
    return {
      [attempts('success', '')]: own.filter(({ outcome }) => outcome === 'success').length,
      [attempts('failure', 'http_4xx')]: own.filter(({ outcome }) => outcome === 'failure').length,
      [attempts('failure', 'timeout')]: own.filter(({ outcome }) => outcome === 'unknown').length,
      ...Object.fromEntries(
        ['delivered', 'skipped', 'expired', 'exhausted'].map((state) => [
          `waybill_deliveries_finished_total{state="${state}"}`,
          finished(state),
        ]),
      ),
      waybill_order_violations_total: 0,
      waybill_deliveries_in_flight: 3,
    };
  };
  const relay = (_: number, until: number): Record<string, number> => ({
    waybill_outbox_published_total: published.filter(({ committedAt }) => committedAt <= until).length,
  });
  const lives = [
    { process: 'consumer-1', pid: 11, from: -500, to: world.KILL - 100, epoch: 1, read: consumer },
    { process: 'consumer-1', pid: 12, from: world.KILL + 1_500, to: world.END - 500, epoch: 2, read: consumer },
    { process: 'relay-1', pid: 21, from: -500, to: world.END - 500, epoch: 0, read: relay },
  ];
  const samples: history.Sample[] = [];
  const metrics: Record<string, string> = {};
  for (const { process, pid, from, to, epoch, read } of lives) {
    for (let ms = from; ms <= to; ms += 2_000) {
      samples.push({ at: at(ms), process, pid, ready: true, rssBytes: 1e8, cpuMs: 1, metrics: read(epoch, at(ms)) });
    }
    const lines = Object.entries(read(epoch, at(to))).map(([name, value]) => `${name} ${value}\n`);
    metrics[`${process}-${pid}.prom`] = `# HELP of nothing\n${lines.join('')}`;
  }
  const line = '{"level":"info","msg":"attempt","outcome":"success"}\n';
  return { samples, metrics, logs: { 'consumer-1.log': line.repeat(50), 'relay-1.log': line } };
}
