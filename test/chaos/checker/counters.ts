// C15: the processes' counters against the history. What a killed process counted after its last scrape is lost: bounds, not equality.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Facts } from './facts.ts';
import type { Findings } from './findings.ts';
import type { Sample, TopicRecord } from './history.ts';
import { readLines } from './read-lines.ts';

type Series = Map<string, number>;

/** One process from start to end. */
interface Life {
  process: string;
  id: string;
  /** The highest value that was ever scraped. */
  last: Series;
  firstSampleAt: number;
  lastSampleAt: number;
}

interface Span {
  from: number;
  until: number;
}

/** Between what is counted and what is seen of it: a scrape, a publication. */
const SLACK_MS = 5_000;
const RISING = /^[a-z_]+(_total|_count|_bucket)(\{|$)/;

export async function findWrongCounters(facts: Facts, findings: Findings): Promise<void> {
  const lives = await readLives(facts, findings);
  findings.figure('processes', lives.length);
  const consumers = lives.filter(({ process }) => process.startsWith('consumer'));
  const relays = lives.filter(({ process }) => process.startsWith('relay'));
  if (consumers.length === 0) {
    findings.notChecked('no metrics of a consumer');
    return;
  }
  checkAttempts(consumers, facts, findings);
  checkFinished(consumers, facts, findings);
  if (relays.length > 0) await checkPublished(relays, facts, findings);
  const violations = sum(consumers, 'waybill_order_violations_total');
  if (violations > 0) findings.violation(`the processes counted ${violations} order violations`);
}

async function readLives(facts: Facts, findings: Findings): Promise<Life[]> {
  const lives = new Map<string, Life>();
  for await (const { process, pid, at, metrics } of readLines<Sample>(facts.folder, 'samples.jsonl')) {
    const id = `${process}-${pid ?? 0}`;
    const life = lives.get(id) ?? { process, id, last: new Map(), firstSampleAt: at, lastSampleAt: at };
    lives.set(id, life);
    life.lastSampleAt = Math.max(life.lastSampleAt, at);
    raise(life, new Map(Object.entries(metrics)), findings);
  }
  const folder = join(facts.folder, 'metrics');
  for (const file of existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.prom')) : []) {
    const id = file.slice(0, -'.prom'.length);
    const process = id.replace(/-\d+$/, '');
    const life = lives.get(id) ?? { process, id, last: new Map(), firstSampleAt: NaN, lastSampleAt: -Infinity };
    lives.set(id, life);
    raise(life, parseExposition(readFileSync(join(folder, file), 'utf8')), findings);
  }
  return [...lives.values()];
}

/** A counter of one process only rises. */
function raise(life: Life, series: Series, findings: Findings): void {
  for (const [name, value] of series) {
    const before = life.last.get(name);
    if (RISING.test(name) && before !== undefined && value < before)
      findings.violation(`${name} fell from ${before} to ${value}`, { process: life.id });
    life.last.set(name, value);
  }
}

function parseExposition(text: string): Series {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

function sum(lives: readonly Life[], name: string, labels: RegExp = /^/): number {
  let total = 0;
  for (const { last } of lives) {
    for (const [key, value] of last)
      if ((key === name || key.startsWith(`${name}{`)) && labels.test(key)) total += value;
  }
  return total;
}

/** Requests and rows of the whole history above and, below, those rows whose process was scraped after them. */
function checkAttempts(consumers: readonly Life[], facts: Facts, findings: Findings): void {
  const answered = facts.requests.filter(({ answer, status }) => answer !== 'none' && status !== null);
  const blind = blindSpans(consumers, facts);
  const rows = [...facts.deliveries.values()].flatMap(({ attempts }) => attempts);
  const visible = rows.filter(({ startedAt, duration_ms: ms }) => !isIn(blind, startedAt + ms));
  const metric = 'waybill_delivery_attempts_total';
  const compare = (what: string, labels: RegExp, least: number, most: number) =>
    checkBounds(findings, `attempts: ${what}`, { counted: sum(consumers, metric, labels), least, most });
  compare(
    'success',
    /outcome="success"/,
    visible.filter(({ outcome }) => outcome === 'success').length,
    answered.filter(({ isAccepted }) => isAccepted).length,
  );
  compare(
    'answered with a failure',
    /error_class="http_/,
    visible.filter(({ outcome, status_code: status }) => outcome !== 'success' && status !== null).length,
    answered.filter(({ isAccepted }) => !isAccepted).length,
  );
}

/** A delivery may be ended twice, by an owner that dies before its record and by the next one; never more often than it was accepted. */
function checkFinished(consumers: readonly Life[], facts: Facts, findings: Findings): void {
  const blind = blindSpans(consumers, facts);
  const accepted = facts.requests.filter(({ isAccepted, answer }) => isAccepted && answer !== 'none').length;
  const records = [...facts.deliveries.values()].flatMap(({ records }) =>
    records.filter(({ table }) => table === 'delivery_history'),
  );
  for (const state of ['delivered', 'skipped', 'expired', 'exhausted']) {
    const least = records.filter((record) => record.state === state && !isIn(blind, record.finishedAt)).length;
    const counted = sum(consumers, 'waybill_deliveries_finished_total', new RegExp(`state="${state}"`));
    checkBounds(findings, `finished: ${state}`, { counted, least, most: state === 'delivered' ? accepted : Infinity });
  }
}

/** A topic that was deleted takes its records along: then only the lower bound is left. */
async function checkPublished(relays: readonly Life[], facts: Facts, findings: Findings): Promise<void> {
  let records = 0;
  for await (const { topic, headers } of readLines<TopicRecord>(facts.folder, 'topics.jsonl'))
    if (topic === `${facts.manifest.topicPrefix}.events` && headers['ce_id'] !== undefined) records++;
  const blind = blindSpans(relays, facts);
  const least = facts.events.filter(
    ({ outcome, eventId, endedAt }) => outcome === 'committed' && eventId !== null && !isIn(blind, endedAt),
  ).length;
  const isTopicWhole = records > 0 && facts.faults.every(({ row }) => row !== 'F12');
  const counted = sum(relays, 'waybill_outbox_published_total');
  checkBounds(findings, 'published', { counted, least, most: isTopicWhole ? records : Infinity });
}

function checkBounds(
  findings: Findings,
  what: string,
  { counted, least, most }: Record<'counted' | 'least' | 'most', number>,
): void {
  findings.figure(`${what}, counted`, counted);
  findings.figure(`${what}, in the history`, Number.isFinite(most) ? `${least} to ${most}` : `${least} or more`);
  if (counted < least) findings.violation(`${what}: ${counted} counted, at least ${least} happened`);
  if (counted > most) findings.violation(`${what}: ${counted} counted, at most ${most} happened`);
}

/** From each life's last scrape until the next life of its name is scraped, whatever was counted may be lost. */
function blindSpans(lives: readonly Life[], { manifest }: Facts): Span[] {
  const spans: Span[] = [];
  for (const ofProcess of Map.groupBy(lives, ({ process }) => process).values()) {
    const inOrder = ofProcess
      .filter(({ firstSampleAt }) => !Number.isNaN(firstSampleAt))
      .toSorted((a, b) => a.firstSampleAt - b.firstSampleAt);
    if (inOrder.length < ofProcess.length) spans.push({ from: -Infinity, until: Infinity });
    for (const [index, { lastSampleAt }] of inOrder.entries()) {
      const until = inOrder[index + 1]?.firstSampleAt ?? manifest.endedAt;
      spans.push({ from: lastSampleAt - SLACK_MS, until: until + SLACK_MS });
    }
  }
  return spans;
}

const isIn = (spans: readonly Span[], at: number) => spans.some(({ from, until }) => from <= at && at <= until);
