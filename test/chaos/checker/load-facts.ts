// Reads a history folder into facts: large files as streams, of which only what the checks need is kept.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Delivery, type DeliveryRecord, deliveryKey, type Facts, laneKey, type WrittenEvent } from './facts.ts';
import type * as history from './history.ts';
import { BrokenHistory, readAll, readLines } from './read-lines.ts';
import { openRequest } from './request.ts';

const RANK = { rolled_back: 0, unknown: 1, committed: 2 } as const;

/** Throws BrokenHistory when the folder holds no history. */
export async function loadFacts(folder: string): Promise<Facts> {
  const manifest = readManifest(folder);
  const facts: Facts = {
    folder,
    manifest,
    events: [],
    byEventId: new Map(),
    deliveries: new Map(),
    lanes: new Map(),
    requests: [],
    strays: [],
    commands: await readAll(folder, 'commands.jsonl'),
    audit: await readAll(folder, 'audit.jsonl'),
    faults: await readAll(folder, 'faults.jsonl'),
    stalls: await readAll(folder, 'stalls.jsonl'),
  };
  const keys = await loadWritten(facts);
  await loadDeliveries(facts);
  await loadAttempts(facts);
  await loadArrivals(facts, keys);
  for (const delivery of facts.deliveries.values()) settle(delivery, facts);
  await loadLanes(facts);
  return facts;
}

function readManifest(folder: string): history.Manifest {
  let manifest: history.Manifest;
  try {
    manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as history.Manifest;
  } catch (error) {
    throw new BrokenHistory(`${join(folder, 'manifest.json')}: ${(error as Error).message}`);
  }
  if (manifest.version !== 1)
    throw new BrokenHistory(`manifest.json: version ${String(manifest.version)} is not known`);
  return manifest;
}

/** Resolves to the events whose id never came back, by the writer's key. */
async function loadWritten(facts: Facts): Promise<Map<string, WrittenEvent>> {
  const keys = new Map<string, WrittenEvent>();
  for await (const tx of readLines<history.WriterTransaction>(facts.folder, 'writer.jsonl')) {
    for (const [index, written] of tx.events.entries()) {
      const known = written.eventId === null ? undefined : facts.byEventId.get(written.eventId);
      const event = known ?? toEvent(written, tx);
      if (!known) {
        facts.events.push(event);
        if (written.eventId === null) keys.set(written.key, event);
        else facts.byEventId.set(written.eventId, event);
      }
      addCall(event, tx, index, known === undefined);
    }
  }
  return keys;
}

function toEvent(written: history.WrittenEvent, tx: history.WriterTransaction): WrittenEvent {
  const { eventId, tenantId, streamId, type, bodySha256: sha256, key } = written;
  const { outcome, beganAt, endedAt } = tx;
  return { eventId, tenantId, streamId, type, sha256, key, outcome, beganAt, endedAt, calls: [] };
}

/** A second transaction with the same event id: what was rolled back before tells nothing of when it was committed. */
function addCall(event: WrittenEvent, tx: history.WriterTransaction, index: number, isFirst: boolean): void {
  if (!isFirst && tx.outcome !== 'rolled_back') {
    const isAnew = event.outcome === 'rolled_back';
    event.beganAt = isAnew ? tx.beganAt : Math.min(event.beganAt, tx.beganAt);
    event.endedAt = isAnew ? tx.endedAt : Math.max(event.endedAt, tx.endedAt);
  }
  if (RANK[tx.outcome] > RANK[event.outcome]) event.outcome = tx.outcome;
  if (tx.outcome !== 'rolled_back') event.calls.push({ tx: tx.tx, index });
}

async function loadDeliveries(facts: Facts): Promise<void> {
  for await (const { payload, ...row } of readLines<history.DeliveryRow>(facts.folder, 'deliveries.jsonl')) {
    const record: DeliveryRecord = {
      ...row,
      payloadSha256: createHash('sha256').update(payload).digest('hex'),
      finishedAt: Date.parse(row.finished_at ?? ''),
      enqueuedAt: Date.parse(row.enqueued_at),
    };
    deliveryOf(facts, row.endpoint_id, row.event_id, 'deliveries.jsonl').records.push(record);
  }
}

async function loadAttempts(facts: Facts): Promise<void> {
  for await (const row of readLines<history.AttemptRow>(facts.folder, 'attempts.jsonl')) {
    const { request_headers: _1, response_headers: _2, response_body: _3, started_at: startedAt, ...kept } = row;
    deliveryOf(facts, row.endpoint_id, row.event_id, 'attempts.jsonl').attempts.push({
      ...kept,
      startedAt: Date.parse(startedAt),
    });
  }
}

async function loadArrivals(facts: Facts, keys: ReadonlyMap<string, WrittenEvent>): Promise<void> {
  const byPath = new Map(facts.manifest.endpoints.map((endpoint) => [endpoint.path, endpoint]));
  for await (const arrival of readLines<history.Arrival>(facts.folder, 'receiver.jsonl')) {
    const endpoint = byPath.get(arrival.path);
    if (!endpoint) {
      facts.strays.push({ n: arrival.n, path: arrival.path, why: 'no endpoint has this path' });
      continue;
    }
    const { request, plaintext } = openRequest(arrival, endpoint);
    facts.requests.push(request);
    if (!facts.byEventId.has(request.eventId)) recognise(request.eventId, plaintext, keys, facts);
    deliveryOf(facts, endpoint.id, request.eventId, 'receiver.jsonl').requests.push(request);
  }
  facts.requests.sort((a, b) => a.n - b.n);
}

/** An id that the writer doesn't know: perhaps one that never came back. Its payload holds the writer's key. */
function recognise(eventId: string, plaintext: string, keys: ReadonlyMap<string, WrittenEvent>, facts: Facts): void {
  if (keys.size === 0) return;
  const event = textsOf(plaintext)
    .map((text) => keys.get(text))
    .find((one) => one !== undefined);
  if (!event || (event.eventId !== null && event.eventId !== eventId)) return;
  event.eventId = eventId;
  facts.byEventId.set(eventId, event);
}

function textsOf(json: string): string[] {
  const texts: string[] = [];
  try {
    JSON.parse(json, (_key, value: unknown) => {
      if (typeof value === 'string') texts.push(value);
      return value;
    });
  } catch {
    return [];
  }
  return texts;
}

function deliveryOf(facts: Facts, endpointId: string, eventId: string, file: string): Delivery {
  const key = deliveryKey(endpointId, eventId);
  const known = facts.deliveries.get(key);
  if (known) return known;
  const endpoint = facts.manifest.endpoints.find(({ id }) => id === endpointId);
  if (!endpoint) throw new BrokenHistory(`${file}: the manifest has no endpoint ${endpointId}`);
  const delivery: Delivery = {
    endpoint,
    eventId,
    event: undefined,
    records: [],
    attempts: [],
    requests: [],
    sequence: null,
  };
  facts.deliveries.set(key, delivery);
  return delivery;
}

/** When all files are read: order, sequence, and the place in the lane. */
function settle(delivery: Delivery, facts: Facts): void {
  delivery.event = facts.byEventId.get(delivery.eventId);
  delivery.attempts.sort((a, b) => a.epoch - b.epoch || a.number - b.number);
  delivery.requests.sort((a, b) => a.n - b.n);
  delivery.sequence = delivery.records[0]?.sequence ?? delivery.requests[0]?.sequence ?? null;
  const streamId = delivery.records[0]?.stream_id ?? delivery.requests[0]?.streamId;
  if (delivery.sequence === null || streamId === undefined) return;
  const { deliveries } = laneOf(facts, delivery.endpoint, streamId);
  const others = deliveries.get(delivery.sequence);
  if (others) others.push(delivery);
  else deliveries.set(delivery.sequence, [delivery]);
}

async function loadLanes(facts: Facts): Promise<void> {
  const endpoints = new Map(facts.manifest.endpoints.map((endpoint) => [endpoint.id, endpoint]));
  for await (const row of readLines<history.LaneRow>(facts.folder, 'lanes.jsonl')) {
    const endpoint = endpoints.get(row.endpoint_id);
    if (!endpoint) throw new BrokenHistory(`lanes.jsonl: the manifest has no endpoint ${row.endpoint_id}`);
    laneOf(facts, endpoint, row.stream_id).row = row;
  }
  for (const command of facts.commands) {
    facts.lanes.get(laneKey(command.endpoint_id, command.stream_id))?.commands.push(command);
  }
}

function laneOf(facts: Facts, endpoint: history.Endpoint, streamId: string) {
  const key = laneKey(endpoint.id, streamId);
  const known = facts.lanes.get(key);
  if (known) return known;
  const lane = { endpoint, streamId, row: undefined, deliveries: new Map<number, Delivery[]>(), commands: [] };
  facts.lanes.set(key, lane);
  return lane;
}
