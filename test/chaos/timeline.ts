// The picture of the report: faults over time, and below them the latency of healthy lanes and the rate of deliveries.
import type { Fault } from './checker/history.ts';
import type { Bucket, ReportFacts } from './report-facts.ts';

const WIDTH = 1_160;
const LEFT = 150;
const RIGHT = 20;
const ROW = 13;
const CHART = 180;
const RATE = 80;
/** The axis of latencies: powers of ten. */
const LEAST_MS = 1;
const MOST_MS = 100_000;

type Scale = (atMs: number) => number;

export function timelineSvg({ manifest, faults, buckets }: ReportFacts): string {
  const lengthMs = Math.max(1, manifest.endedAt - manifest.startedAt);
  const x: Scale = (atMs) => LEFT + (atMs / lengthMs) * (WIDTH - LEFT - RIGHT);
  const kinds = [...new Set(faults.map(kindOf))].toSorted(byRow);
  const faultsEnd = 10 + kinds.length * ROW;
  const chartTop = faultsEnd + 24;
  const rateTop = chartTop + CHART + 24;
  const height = rateTop + RATE + 30;
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Faults, latency of healthy lanes and deliveries over time">`,
    ...kinds.map((kind, row) => faultRow(kind, row, { faults, x, startedAt: manifest.startedAt })),
    ...faults.map((fault) => shade(fault, { x, startedAt: manifest.startedAt, top: chartTop, height: CHART })),
    latencyChart(buckets, x, chartTop),
    rateChart(buckets, x, rateTop),
    timeAxis(lengthMs, x, rateTop + RATE),
    '</svg>',
  ].join('\n');
}

const kindOf = ({ row, kind }: Fault) => `${row} ${kind}`;
const byRow = (a: string, b: string) => Number(a.slice(1, 3)) - Number(b.slice(1, 3)) || a.localeCompare(b);

function faultRow(kind: string, row: number, data: { faults: readonly Fault[]; x: Scale; startedAt: number }): string {
  const y = 10 + row * ROW;
  const bars = data.faults
    .filter((fault) => kindOf(fault) === kind)
    .map((fault) => {
      const from = data.x(fault.beganAt - data.startedAt);
      const to = data.x(fault.endedAt - data.startedAt);
      const title = escapeHtml(`${fault.n}: ${kind} ${fault.target}: ${fault.detail ?? ''}`);
      return `<rect class="${fault.isClean ? 'clean' : 'fault'}" x="${n(from)}" y="${y}" width="${n(Math.max(2, to - from))}" height="${ROW - 3}"><title>${title}</title></rect>`;
    });
  const label = `<text x="${LEFT - 8}" y="${y + ROW - 4}" text-anchor="end">${escapeHtml(kind)}</text>`;
  return `${label}<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y + ROW - 1.5}" y2="${y + ROW - 1.5}"/>${bars.join('')}`;
}

function shade(fault: Fault, place: { x: Scale; startedAt: number; top: number; height: number }): string {
  const from = place.x(fault.beganAt - place.startedAt);
  const to = place.x(fault.endedAt - place.startedAt);
  return `<rect class="shade" x="${n(from)}" y="${place.top}" width="${n(Math.max(1, to - from))}" height="${place.height}"/>`;
}

function latencyChart(buckets: readonly Bucket[], x: Scale, top: number): string {
  const y = (ms: number) => {
    const share = Math.log10(Math.min(MOST_MS, Math.max(LEAST_MS, ms)) / LEAST_MS) / Math.log10(MOST_MS / LEAST_MS);
    return top + CHART * (1 - share);
  };
  const grid = [1, 10, 100, 1_000, 10_000, 100_000].map(
    (ms) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(y(ms))}" y2="${n(y(ms))}"/><text x="${LEFT - 8}" y="${n(y(ms) + 4)}" text-anchor="end">${ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`}</text>`,
  );
  const line = (name: 'p50Ms' | 'p99Ms') =>
    `<polyline class="${name}" points="${points(buckets, (bucket) => bucket[name], { x, y })}"/>`;
  const title = `<text x="${LEFT}" y="${top - 6}">healthy lanes, commit to arrival: <tspan class="p50">p50</tspan>, <tspan class="p99">p99</tspan></text>`;
  return [title, ...grid, line('p99Ms'), line('p50Ms')].join('\n');
}

function rateChart(buckets: readonly Bucket[], x: Scale, top: number): string {
  const most = Math.max(1, ...buckets.map(({ perSecond }) => perSecond));
  const y = (rate: number) => top + RATE * (1 - rate / most);
  const labels = [0, most].map(
    (rate) => `<text x="${LEFT - 8}" y="${n(y(rate) + 4)}" text-anchor="end">${Math.round(rate)}/s</text>`,
  );
  const title = `<text x="${LEFT}" y="${top - 6}">first arrivals per second, all endpoints</text>`;
  const line = `<polyline class="rate" points="${points(buckets, ({ perSecond }) => perSecond, { x, y })}"/>`;
  return [title, ...labels, line].join('\n');
}

function points(
  buckets: readonly Bucket[],
  valueOf: (bucket: Bucket) => number,
  { x, y }: { x: Scale; y(value: number): number },
): string {
  return buckets
    .filter((bucket) => Number.isFinite(valueOf(bucket)))
    .map((bucket) => `${n(x(bucket.atMs))},${n(y(valueOf(bucket)))}`)
    .join(' ');
}

function timeAxis(lengthMs: number, x: Scale, y: number): string {
  const stepMs = [10, 30, 60, 120, 300, 600, 1_800, 3_600].map((s) => s * 1_000).find((ms) => lengthMs / ms <= 16);
  const marks: string[] = [];
  for (let atMs = 0; atMs <= lengthMs; atMs += stepMs ?? 7_200_000) {
    marks.push(`<text x="${n(x(atMs))}" y="${y + 20}" text-anchor="middle">${atMs / 60_000} min</text>`);
  }
  return marks.join('');
}

const n = (value: number) => String(Math.round(value * 10) / 10);

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
