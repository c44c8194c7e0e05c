// The report of a run: one HTML page that needs nothing else, for people who run such systems.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckResult } from './checker/findings.ts';
import type { Fault } from './checker/history.ts';
import { readReportFacts, type ReportFacts } from './report-facts.ts';
import { escapeHtml, timelineSvg } from './timeline.ts';

export interface Judged {
  passed: boolean;
  checks: Record<string, CheckResult>;
}

const SHOWN_VIOLATIONS = 10;

/** Writes `report.html` into the folder. Returns its path and what it is made of. */
export async function writeReport(folder: string, judged: Judged, manifest: ReportFacts['manifest']) {
  const facts = await readReportFacts(folder, manifest);
  const path = join(folder, 'report.html');
  writeFileSync(path, page(facts, judged));
  return { path, facts };
}

function page(facts: ReportFacts, judged: Judged): string {
  const { manifest, faults } = facts;
  const minutes = ((manifest.endedAt - manifest.startedAt) / 60_000).toFixed(1);
  const title = `Waybill chaos run, seed ${manifest.seed}: ${judged.passed ? 'passed' : 'FAILED'}`;
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${title}</title><style>${STYLE}</style>
<h1>${title}</h1>
<p>${new Date(manifest.startedAt).toISOString()}, ${minutes} minutes, ${faults.length} faults,
${facts.committedEvents} committed events, ${facts.deliveries} deliveries, ${facts.requests} requests.
${rest(manifest)} ${starved(facts)}</p>
<h2>Verdict</h2>${verdictTable(judged)}${violations(judged)}
<h2>Timeline</h2>${timelineSvg(facts)}
<p>Red: a fault, until it was healed. Green: a clean stop and start. The shades below are the faults again. Point at a bar to read what it was.</p>
<h2>Duplicates by cause</h2>${figuresTable(judged.checks['C8'])}
<h2>Recovery</h2>
<p>Until, on every partition, an event that was committed after the fault had arrived; of outages, after their end. Alone: no other fault came before
that. Where others did, the time is counted from the last of them, for all of them.</p>
${recoveryTable(facts)}
<h2>Memory</h2>${memoryTable(facts)}
<h2>Faults</h2>${faultTable(faults, manifest.startedAt)}
</html>
`;
}

function rest({ quiescedAt, shutDownCleanlyAt }: ReportFacts['manifest']): string {
  const came = quiescedAt === null ? 'It did <b>not</b> come to rest.' : 'It came to rest.';
  const stopped = shutDownCleanlyAt === null ? 'Not every process ended cleanly.' : 'All processes ended cleanly.';
  return `${came} ${stopped}`;
}

/** A reader must know when the machine, not Waybill, was slow. */
export function starved({ starvedShare }: ReportFacts): string {
  if (starvedShare < 0.02) return '';
  const percent = Math.round(starvedShare * 100);
  return `Others used this machine: in ${percent} % of the time the runner itself was late by more than 250 ms. Times say little.`;
}

function verdictTable({ checks }: Judged): string {
  const rows = Object.entries(checks).map(([id, { title, verdict, violationCount, reason, figures }]) => [
    id,
    escapeHtml(title),
    `<b class="${verdict}">${verdict.replace('_', ' ')}</b>`,
    String(violationCount),
    escapeHtml(reason ?? figuresText(figures)),
  ]);
  return table(['check', 'finds', 'verdict', 'violations', 'figures'], rows);
}

const figuresText = (figures: CheckResult['figures']) =>
  Object.entries(figures)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

function violations({ checks }: Judged): string {
  const failed = Object.entries(checks).filter(([, { violationCount }]) => violationCount > 0);
  return failed
    .map(([id, check]) => {
      const shown = check.violations.slice(0, SHOWN_VIOLATIONS);
      const rows = shown.map(({ message, about }) => [escapeHtml(message), escapeHtml(JSON.stringify(about))]);
      return `<h3>${id}: ${check.violationCount} violations, the first ${shown.length}</h3>${table(['violation', 'about'], rows)}`;
    })
    .join('');
}

function figuresTable(check: CheckResult | undefined): string {
  const rows = Object.entries(check?.figures ?? {}).map(([name, value]) => [escapeHtml(name), String(value)]);
  return table(['figure', 'value'], rows);
}

function recoveryTable({ recoveries }: ReportFacts): string {
  const rows = recoveries.map(({ kind, faults, alone, aloneP50Ms, aloneMaxMs, maxMs, never }) => [
    escapeHtml(kind),
    String(faults),
    String(alone),
    seconds(aloneP50Ms),
    seconds(aloneMaxMs),
    seconds(maxMs),
    String(never),
  ]);
  return table(['fault', 'times', 'alone', 'alone, p50', 'alone, longest', 'longest of all', 'not recovered'], rows);
}

function memoryTable({ memory }: ReportFacts): string {
  const mb = (value: number) => `${Math.round(value)} MB`;
  const rows = memory.map(({ process, lives, halfTimeMb, endMb, maxMb }) => [
    process,
    String(lives),
    mb(halfTimeMb),
    mb(endMb),
    mb(maxMb),
  ]);
  return table(['process', 'lives', 'half-time', 'end', 'most'], rows);
}

function faultTable(faults: readonly Fault[], startedAt: number): string {
  const rows = faults.map(({ n, row, kind, target, beganAt, endedAt, detail }) => [
    String(n),
    seconds(beganAt - startedAt),
    seconds(endedAt - beganAt),
    row,
    escapeHtml(kind),
    escapeHtml(target),
    escapeHtml(detail ?? ''),
  ]);
  return table(['n', 'began', 'lasted', 'row', 'kind', 'target', 'what happened'], rows);
}

function table(heads: readonly string[], rows: readonly string[][]): string {
  if (rows.length === 0) return '<p>None.</p>';
  const head = heads.map((text) => `<th>${text}</th>`).join('');
  const body = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('\n');
  return `<table><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table>`;
}

const seconds = (ms: number) => (Number.isFinite(ms) ? `${(ms / 1_000).toFixed(1)} s` : '–');

const STYLE = `
body { font: 14px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 1200px; padding: 0 1em; color: #1b1f24; background: #fff }
table { border-collapse: collapse; margin: .5em 0 1em } td, th { border: 1px solid #d5dae0; padding: 3px 8px; text-align: left; vertical-align: top }
th { background: #f2f4f7 } td { font-variant-numeric: tabular-nums }
.pass { color: #1a7f37 } .fail { color: #c4201d } .not_checked { color: #8a5a00 }
svg { width: 100%; font: 10px system-ui, sans-serif } .grid { stroke: #e3e7ec } .fault { fill: #c4201d } .clean { fill: #1a7f37 }
.shade { fill: #c4201d; opacity: .06 } polyline { fill: none; stroke-width: 1.3 }
.p50Ms { stroke: #0b62c4 } .p99Ms { stroke: #e08600 } .rate { stroke: #57606a } .p50 { fill: #0b62c4 } .p99 { fill: #e08600 }
`;
