// The figures that Waybill promises on two cores, beside what was measured.
import type { Results } from './scenarios.ts';
import { rounded } from './statistics.ts';

/** A share of the machine; the kernel's own work in the background counts as others' too. */
const MOST_OTHERS = 0.2;

export interface Figure {
  figure: string;
  measured: number;
  wanted: string;
  met: boolean;
}

export function figuresOf(results: Results, yardstickPerSecond: number): Figure[] {
  const { throughput, latency, isolation, memory, 'slow-receiver': slow } = results;
  const figures: Figure[] = [];
  const atLeast = (figure: string, measured: number, wanted: number) =>
    figures.push({ figure, measured: rounded(measured, 3), wanted: `>= ${wanted}`, met: measured >= wanted });
  const atMost = (figure: string, measured: number, wanted: number) =>
    figures.push({ figure, measured: rounded(measured, 3), wanted: `<= ${wanted}`, met: measured <= wanted });

  if (throughput) atLeast('delivered per second / bare loop', throughput.perSecond / yardstickPerSecond, 0.2);
  if (throughput && slow) atLeast('slow receiver / quick receiver', slow.perSecond / throughput.perSecond, 0.8);
  if (latency) {
    atMost('commit to arrival, p50 ms', latency.latencyMs.p50, 15);
    atMost('commit to arrival, p99 ms', latency.latencyMs.p99, 60);
  }
  if (isolation) {
    atMost(`healthy p99, disturbed / undisturbed, ${isolation.at200.rate}/s`, isolation.at200.p99Ratio, 1.5);
    atMost(`healthy p99, disturbed / undisturbed, ${isolation.atHalf.rate}/s`, isolation.atHalf.p99Ratio, 1.5);
  }
  if (memory) {
    for (const name of ['relay', 'consumer']) {
      const rss = memory.usage.processes[name]?.rssMb;
      if (rss === undefined) continue;
      atMost(`RSS of the ${name} at the end, MB`, rss.end, 250);
      // Garbage comes and goes: a tenth is no growth.
      atMost(`RSS of the ${name}, end / half-time`, rss.end / rss.halfTime, 1.1);
    }
  }
  const runs = runsOf(results);
  atMost('order violations', total(runs.map((run) => run.orderViolations)), 0);
  atMost('losses', total(runs.map((run) => run.losses)), 0);
  atMost('phantoms', total(runs.map((run) => run.phantoms)), 0);
  atMost('deliveries without a record', total(runs.map((run) => run.events - run.losses - run.recorded.delivered)), 0);
  atMost('requests without a record', total(runs.map((run) => run.requests - run.recorded.attempts)), 0);
  return figures;
}

type Shares = { machineBusyShare: number; watchedBusyShare: number };

/** Where processes that are none of ours took more than a part of the machine, the figures say little. */
export function warningsOf(results: Results, yardstick: Shares): string[] {
  const others = ({ machineBusyShare, watchedBusyShare }: Shares) => machineBusyShare - watchedBusyShare;
  const percent = (share: number) => `${rounded(share * 100)} %`;
  const warnings: string[] = [];
  if (others(yardstick) > MOST_OTHERS) {
    warnings.push(
      `others used ${percent(others(yardstick))} of the machine beside the yardstick: the ratio is too high`,
    );
  }
  const worst = Math.max(...runsOf(results).map((run) => others(run.usage)));
  if (worst > MOST_OTHERS) warnings.push(`others used up to ${percent(worst)} of the machine during the runs`);
  return warnings;
}

function runsOf({ isolation, ...plain }: Results) {
  const pairs = isolation ? [...isolation.at200.pairs, ...isolation.atHalf.pairs] : [];
  return [...Object.values(plain), ...pairs.flatMap(({ undisturbed, disturbed }) => [undisturbed, disturbed])];
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
