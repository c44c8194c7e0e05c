// Judges a history and writes what came of it into its folder: verdict.json and report.html.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkHistory, type Manifest, summarise } from './checker/index.ts';
import { starved, writeReport } from './report.ts';

export interface Judgement {
  passed: boolean;
  /** For people, several lines. */
  summary: string;
  /** For programs: one line of JSON. */
  line: object;
}

/** @throws BrokenHistory for a folder without a whole history */
export async function judge(folder: string): Promise<Judgement> {
  const verdict = await checkHistory(folder);
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
  writeFileSync(join(folder, 'verdict.json'), `${JSON.stringify(verdict, null, 2)}\n`);
  const { path, facts } = await writeReport(folder, verdict, manifest);
  const { committedEvents, deliveries, requests, recoveries, memory, starvedShare } = facts;
  const checks = Object.entries(verdict.checks).map(([id, check]) => [id, check.verdict]);
  return {
    passed: verdict.passed,
    summary: [summarise(verdict).trimEnd(), starved(facts), `Report: ${path}`].filter(Boolean).join('\n'),
    line: {
      passed: verdict.passed,
      seed: manifest.seed,
      minutes: Math.round((manifest.endedAt - manifest.startedAt) / 6_000) / 10,
      faults: facts.faults.length,
      committedEvents,
      deliveries,
      requests,
      checks: Object.fromEntries(checks),
      duplicates: verdict.checks.C8.figures,
      recoveries,
      memory,
      starvedShare,
      report: path,
    },
  };
}
