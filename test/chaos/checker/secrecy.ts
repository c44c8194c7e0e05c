// C14: no secret, token, card number or marked payload value in any log, metric, header or error, in no common spelling.
import { createReadStream, existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Facts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { AttemptRow, DeliveryRow, LaneRow, TopicRecord } from './history.ts';
import { readLines } from './read-lines.ts';

const CHUNK_BYTES = 4 * 1024 * 1024;
/** A shorter text would be found where nobody leaked it. */
const LEAST_LENGTH = 8;

interface Needle {
  /** Its place in the manifest's list: the report must not leak it either. */
  secret: number;
  spelling: string;
  bytes: Buffer;
}

export async function findLeaks(facts: Facts, findings: Findings): Promise<void> {
  const { secretsToHide } = facts.manifest;
  findings.figure('secrets', secretsToHide.length);
  if (secretsToHide.length === 0) {
    findings.notChecked('the manifest names no secret');
    return;
  }
  for (const [index, secret] of secretsToHide.entries())
    if (secret.length < LEAST_LENGTH) findings.violation('too short to be looked for', { secret: index });
  const needles = secretsToHide.flatMap((secret, index) =>
    secret.length < LEAST_LENGTH ? [] : spellings(secret, index),
  );
  const longest = Math.max(0, ...needles.map(({ bytes }) => bytes.length));
  for (const folder of ['logs', 'metrics']) {
    const path = join(facts.folder, folder);
    for (const name of existsSync(path) ? readdirSync(path).toSorted() : []) {
      findings.count(`${folder} read`);
      const found = await search(join(path, name), needles, longest);
      for (const [needle, offset] of found) leak(findings, needle, { file: `${folder}/${name}`, offset });
    }
  }
  await searchRows(facts.folder, needles, findings);
}

function spellings(secret: string, index: number): Needle[] {
  const bytes = Buffer.from(secret, 'utf8');
  const all: Record<string, string> = {
    plain: secret,
    'in JSON': JSON.stringify(secret).slice(1, -1),
    'percent-encoded': encodeURIComponent(secret),
    base64: bytes.toString('base64').replace(/=+$/, ''),
    hexadecimal: bytes.toString('hex'),
  };
  const seen = new Set<string>();
  return Object.entries(all).flatMap(([spelling, text]) => {
    if (seen.has(text)) return [];
    seen.add(text);
    return [{ secret: index, spelling, bytes: Buffer.from(text, 'utf8') }];
  });
}

function leak(findings: Findings, { secret, spelling }: Needle, where: Record<string, string | number>): void {
  findings.violation('a secret is in the open', { secret, spelling, ...where });
}

/** The first place of each needle in a file. */
async function search(path: string, needles: readonly Needle[], longest: number): Promise<Map<Needle, number>> {
  const found = new Map<Needle, number>();
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const text = Buffer.concat([rest, chunk as Buffer]);
    for (const needle of needles) {
      const at = found.has(needle) ? -1 : text.indexOf(needle.bytes);
      if (at >= 0) found.set(needle, offset + at);
    }
    // What a chunk's end cuts in two is found with the next one.
    rest = text.subarray(Math.max(0, text.length - longest));
    offset += text.length - rest.length;
  }
  return found;
}

/** What people and machines see of a delivery without being shown its payload. */
async function searchRows(folder: string, needles: readonly Needle[], findings: Findings): Promise<void> {
  const search = new RowSearch(needles, findings);
  for await (const { topic, partition, offset, key, headers, valueBase64 } of readLines<TopicRecord>(
    folder,
    'topics.jsonl',
  )) {
    // A ticket is no payload: all of it is looked at.
    const value = topic.endsWith('.retry') && valueBase64 !== null ? Buffer.from(valueBase64, 'base64').toString() : '';
    const text = `${key}\n${Object.values(headers).join('\n')}\n${value}`;
    search.add(text, { topic, partition, offset: String(offset) });
  }
  for await (const row of readLines<AttemptRow>(folder, 'attempts.jsonl'))
    search.add(`${row.error_class}\n${row.request_headers}`, { table: 'attempt', eventId: row.event_id });
  for await (const row of readLines<DeliveryRow>(folder, 'deliveries.jsonl'))
    search.add(`${row.error_class}\n${row.payload_fault}\n${row.reason}`, { table: row.table, eventId: row.event_id });
  for await (const row of readLines<LaneRow>(folder, 'lanes.jsonl'))
    search.add(`${row.last_error_class}\n${row.reason}`, { table: 'lane', streamId: row.stream_id });
  search.finish();
}

/** A hundred needles in each of half a million rows would take a minute; in a thousand rows at once they take seconds. */
class RowSearch {
  readonly #needles: readonly Needle[];
  readonly #findings: Findings;
  #rows: { text: string; where: Record<string, string | number> }[] = [];

  constructor(needles: readonly Needle[], findings: Findings) {
    this.#needles = needles;
    this.#findings = findings;
  }

  add(text: string, where: Record<string, string | number>): void {
    this.#rows.push({ text, where });
    if (this.#rows.length >= 1_000) this.finish();
  }

  finish(): void {
    const all = Buffer.from(this.#rows.map(({ text }) => text).join('\n'));
    for (const needle of this.#needles.filter(({ bytes }) => all.includes(bytes))) {
      for (const { text, where } of this.#rows)
        if (Buffer.from(text).includes(needle.bytes)) leak(this.#findings, needle, where);
    }
    this.#rows = [];
  }
}
