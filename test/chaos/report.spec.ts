// The report of a small history that is written here by hand.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Manifest } from './checker/history.ts';
import { writeReport } from './report.ts';

const endpoint = { id: 'e', path: '/bank/steady', isHealthy: true };
const manifest = {
  version: 1,
  seed: 7,
  startedAt: 1_000_000,
  endedAt: 1_060_000,
  quiescedAt: 1_055_000,
  shutDownCleanlyAt: 1_059_000,
  endpoints: [endpoint],
} as unknown as Manifest;
const lines = (...objects: object[]) => objects.map((object) => `${JSON.stringify(object)}\n`).join('');
const arrival = (eventId: string, receivedAt: number) => ({
  path: endpoint.path,
  receivedAt,
  headers: { 'x-webhook-event-id': eventId },
});
const judged = {
  passed: false,
  checks: {
    C1: { title: 'lost', verdict: 'pass' as const, violationCount: 0, violations: [], figures: { delivered: 2 } },
    C4: {
      title: 'gaps',
      verdict: 'fail' as const,
      violationCount: 1,
      violations: [{ message: '<b>a gap</b>', about: { sequence: 3 } }],
      figures: {},
    },
  },
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chaos-report-'));
  const events = (eventId: string) => [{ eventId }];
  const commits = [
    { outcome: 'committed', endedAt: 1_001_000, events: events('a') },
    { outcome: 'committed', endedAt: 1_002_000, events: events('b') },
    { outcome: 'rolled_back', endedAt: 1_002_000, events: events('c') },
  ];
  writeFileSync(join(folder, 'writer.jsonl'), lines(...commits));
  // The second request of an event counts as a request, not as a delivery; the last line was cut off by a crash.
  const arrivals = [arrival('a', 1_001_010), arrival('b', 1_002_030), arrival('b', 1_003_000)];
  writeFileSync(join(folder, 'receiver.jsonl'), `${lines(...arrivals)}{"path":`);
  const fault = { n: 1, row: 'F4', kind: 'kill', target: 'consumer-1', beganAt: 1_010_000, endedAt: 1_012_000 };
  writeFileSync(join(folder, 'faults.jsonl'), lines({ ...fault, detail: 'kill <-9>', isClean: false }));
  writeFileSync(join(folder, 'recoveries.jsonl'), lines({ fault: 1, recoveredAfterMs: 7_500, with: [] }));
  const sample = (at: number, megabytes: number) => ({ at, process: 'relay-1', pid: 1, rssBytes: megabytes * 2 ** 20 });
  const runner = (late: number) => ({
    ...sample(1, 80),
    process: 'runner',
    metrics: { chaos_timer_lateness_seconds: late },
  });
  const samples = [sample(1, 100), sample(2, 130), sample(3, 120), runner(0.01), runner(0.9)];
  writeFileSync(join(folder, 'samples.jsonl'), lines(...samples));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('counts events, requests and deliveries, and measures latency, recovery and memory', async () => {
  const { facts } = await writeReport(folder, judged, manifest);
  expect(facts).toMatchObject({ committedEvents: 2, requests: 3, deliveries: 2 });
  expect(facts.buckets[0]).toMatchObject({ p50Ms: 10, p99Ms: 30, perSecond: 0.4 });
  const alone = { alone: 1, aloneP50Ms: 7_500, aloneMaxMs: 7_500 };
  expect(facts.recoveries).toEqual([{ kind: 'F4 kill consumer', faults: 1, ...alone, maxMs: 7_500, never: 0 }]);
  expect(facts.memory).toContainEqual({ process: 'relay-1', lives: 1, halfTimeMb: 130, endMb: 120, maxMb: 130 });
});

it('is one page with verdict, violations, timeline and faults, and no markup from a history', async () => {
  const { path } = await writeReport(folder, judged, manifest);
  const page = readFileSync(path, 'utf8');
  expect(page).toContain('in 50 % of the time the runner itself was late');
  expect(page).toContain('seed 7: FAILED');
  expect(page).toContain('<b class="fail">fail</b>');
  expect(page).toContain('&lt;b&gt;a gap&lt;/b&gt;');
  expect(page).toContain('F4 kill');
  expect(page).toContain('kill &lt;-9&gt;');
  expect(page.match(/<polyline/g)).toHaveLength(3);
  expect(page).not.toMatch(/NaN|undefined|https?:\/\//);
});
