// A short run for npm test: one deployment under load, faults one after another, and in the end the history of all of them.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '#testkit';
import { checkHistory, type Fault, type Verdict } from '../checker/index.ts';
import { completeHistory } from '../complete-history.ts';
import { dumpApi, dumpTables, dumpTopics } from '../dump.ts';
import type { FaultRecord } from '../faults.ts';
import { Journal } from '../journal.ts';
import { PROBE_TENANT } from '../population.ts';
import { startReaper } from '../reaping.ts';
import { comeToRest, heal, stopServices } from '../rest.ts';
import { Sampler } from '../sampler.ts';
import { probeStreams, World } from '../world.ts';

/** Bounds for a busy machine; what is promised of recovery is for the history's checks to say. */
const FLOWS_WITHIN_MS = 60_000;
const DIES_WITHIN_MS = 40_000;
const STOPS_WITHIN_MS = 60_000;
const REST_WITHIN_MS = 90_000;

/** A row of the fault matrix, or one of its cases. */
export interface FaultCase {
  row: string;
  /** What happens; that events go on to flow is understood. */
  title: string;
  kind: string;
  /** By its first word the checker knows the bound for recovery: `relay`, `consumer`, `broker`, `database`. */
  target: string;
  /** Recovery is counted from its beginning (others take over) or from its end (nothing can go on before). Default: its end. */
  recovery?: 'began';
  /** No duplicate may come of it. */
  isClean?: true;
  /** Does harm and heals. Throws when it could not do what its title says, or when Waybill answers it wrongly. */
  run(campaign: Campaign): Promise<Outcome>;
}

export interface Outcome {
  /** In a few words. */
  detail: string;
  /** When it did not begin with the call: after the service had been started again, armed. */
  beganAt?: number;
}

export class Campaign {
  readonly world: World;
  #cleanup = new AsyncDisposableStack();
  readonly #startedAt = Date.now();
  readonly #sampler: Sampler;
  readonly #journal: Journal;
  readonly #records: FaultRecord[] = [];
  #hasPassed = false;

  private constructor(world: World) {
    this.world = world;
    this.#sampler = new Sampler(world);
    this.#journal = new Journal(join(world.folder, 'faults.jsonl'));
  }

  /** Three brokers, two relays, two consumers, under a load of `rate` events per second. */
  static async start({ seed, rate }: { seed: number; rate: number }): Promise<Campaign> {
    const folder = mkdtempSync(join(tmpdir(), 'waybill-faults-'));
    // The database's own user has to get to its data below.
    chmodSync(folder, 0o755);
    await using starting = new AsyncDisposableStack();
    starting.use(startReaper(folder, { keep: false }));
    const options = { kind: 'run', minutes: 1, seed, rate, brokers: 3, out: null, only: null } as const;
    const world = await World.create({ ...options, topicLoss: false, keep: false }, folder, {
      cleanup: starting,
      signal: new AbortController().signal,
      onProgress: () => undefined,
    });
    await world.settle();
    await world.startWriter();
    const campaign = new Campaign(world);
    await campaign.flows(Date.now());
    // From here on receivers fail, hang and cut.
    await world.receiver.call('accept', false);
    campaign.#cleanup = starting.move();
    return campaign;
  }

  /** Resolves when the fault is healed and events flow again everywhere. */
  async happen({ run, ...fault }: FaultCase): Promise<void> {
    const calledAt = Date.now();
    const { detail, beganAt = calledAt } = await run(this);
    this.#note(fault, { detail, beganAt });
    await this.flows(this.#records.at(-1)!.recoveryFrom);
  }

  /** Starts a running service again, in good order, so that its failpoints obey `rules`. */
  async arm(name: string, rules: string): Promise<void> {
    const beganAt = Date.now();
    const service = this.world.service(name);
    const how = await service.terminate(STOPS_WITHIN_MS);
    if (how !== 'code 0') throw new Error(`${name} ended with ${how} at SIGTERM`);
    service.start(rules);
    const fault = { row: 'F5', kind: 'term', target: name, isClean: true } as const;
    this.#note(fault, { detail: `armed with ${rules}`, beganAt });
  }

  /** When an armed service has ended itself. */
  async death(name: string): Promise<number> {
    const service = this.world.service(name);
    const how = await service.ended(DIES_WITHIN_MS);
    if (how !== 'SIGKILL') throw new Error(`${name} was to be killed; it ended with ${how}\n${service.endOfLog()}`);
    return Date.now();
  }

  /** A service that had ended runs again. */
  async start(name: string): Promise<void> {
    const service = this.world.service(name);
    service.start();
    if (!(await service.ready())) throw new Error(`${name} does not get ready\n${service.endOfLog()}`);
  }

  async restart(name: string): Promise<void> {
    const how = await this.world.service(name).terminate(STOPS_WITHIN_MS);
    if (how !== 'code 0') throw new Error(`${name} ended with ${how} at SIGTERM`);
    await this.start(name);
  }

  /** Waits until a service has written `count` log lines with `text`, in any of its lives. */
  async said(name: string, text: string, count = 1): Promise<void> {
    const file = join(this.world.folder, 'logs', `${name}.log`);
    const isSaid = () => readFileSync(file, 'utf8').split(text).length > count;
    await until(isSaid, { withinMs: DIES_WITHIN_MS, what: `${name} to say "${text}"`, everyMs: 100 });
  }

  /** By the probe, an event a second on a stream of every partition: one that was committed after `since` is on record everywhere. */
  async flows(since: number): Promise<void> {
    const streams = probeStreams();
    const isFlowing = async () => {
      const { rows } = await this.world.pool.query<{ streams: number }>(
        `SELECT count(DISTINCT stream_id)::int AS streams FROM waybill.delivery_history
          WHERE tenant_id = $1 AND state = 'delivered' AND enqueued_at > to_timestamp($2)`,
        [PROBE_TENANT, since / 1_000],
      );
      return rows[0]!.streams === streams.length;
    };
    await until(isFlowing, { withinMs: FLOWS_WITHIN_MS, what: 'events to flow on every partition', everyMs: 200 });
  }

  /** Ends load and services, writes the history down and lets the checker judge it. */
  async judge(): Promise<Verdict> {
    const { world } = this;
    await world.writer.call('stop', null);
    await heal(world);
    const quiescedAt = await comeToRest(world, REST_WITHIN_MS, () => undefined);
    await dumpApi(world);
    await this.#sampler.stop();
    const shutDownCleanlyAt = await stopServices(world, () => undefined);
    await world.receiver.call('finish', null);
    await dumpTables(world);
    await dumpTopics(world);
    this.#journal[Symbol.dispose]();
    await completeHistory(world, this.#records, { startedAt: this.#startedAt, quiescedAt, shutDownCleanlyAt });
    const verdict = await checkHistory(world.folder);
    this.#hasPassed = verdict.passed;
    return verdict;
  }

  /** Ends all processes. The history of a run that did not pass stays; returns where. */
  async end(): Promise<string | null> {
    await this.#cleanup.disposeAsync();
    if (!this.#hasPassed) return this.world.folder;
    rmSync(this.world.folder, { recursive: true, force: true });
    return null;
  }

  #note(fault: Pick<FaultCase, 'row' | 'kind' | 'target' | 'recovery' | 'isClean'>, outcome: Required<Outcome>): void {
    const { row, kind, target, recovery, isClean = false } = fault;
    const { detail, beganAt } = outcome;
    const endedAt = Date.now();
    const n = this.#records.length + 1;
    const record: Fault = { n, row, kind, target, beganAt, endedAt, detail, isClean };
    this.#journal.append(record);
    this.#records.push({ ...record, recoveryFrom: recovery === 'began' ? beganAt : endedAt, isHarmless: false });
  }
}
