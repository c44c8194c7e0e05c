// One simulated run of publishers and relays: the clock, the outbox, the topic, and what befalls the processes.
import { Dice, seededRandom, SimulatedRun, Violation } from '#clock';
import type { ProducedRecord } from '#kafka';
import { MemoryOutbox } from './memory-outbox.ts';
import { type CommittedEvent, PublishedLog } from './published-log.ts';
import { runTransaction } from './publisher.ts';
import { LEASE_MS, RelayProcess, type RelaySurroundings } from './relay-process.ts';
import type { RelayAction, RelayScenario } from './scenario.ts';

/** After the last fault and the last commit everything has to be published within this: leases that run out, and a few passes. */
const REST_WITHIN_MS = 10 * LEASE_MS;
/** Where nothing fails: from commit to log, latencies of the network apart. Long transactions of others don't count. */
const PUBLISHED_WITHIN_MS = 150;

export interface RelayOutcome {
  violation: Violation | null;
  trace: string[];
  log: PublishedLog;
}

/** Runs the scenario. The same scenario always ends in the same way. */
export async function simulateRelays(scenario: RelayScenario): Promise<RelayOutcome> {
  const world = new RelayWorld(scenario);
  await world.run();
  return { violation: world.violation, trace: world.trace, log: world.log };
}

export class RelayWorld extends SimulatedRun implements RelaySurroundings {
  readonly scenario: RelayScenario;
  readonly dice: Dice;
  readonly outbox: MemoryOutbox;
  readonly log = new PublishedLog();
  readonly #relays: RelayProcess[] = [];
  #incarnations = 0;
  #openTransactions: number;
  #storeHangsUntil = 0;
  #storeFails = { until: 0, share: 0 };
  #logFails = { until: 0, share: 0 };

  constructor(scenario: RelayScenario) {
    super();
    this.scenario = scenario;
    this.dice = new Dice(seededRandom(scenario.seed + 1));
    this.outbox = new MemoryOutbox({ clock: this.clock, dice: this.dice, shards: scenario.shards });
    this.#openTransactions = scenario.transactions.length;
  }

  protected override async play(): Promise<void> {
    const { scenario, clock } = this;
    for (let index = 0; index < scenario.relays; index++) this.#startRelay(index);
    for (const plan of scenario.transactions) clock.schedule(plan.at, () => void this.#transact(plan));
    for (const action of scenario.actions) clock.schedule(action.at, () => this.#act(action));
    const endAt = 2 * scenario.healAt + REST_WITHIN_MS;
    while (!this.violation && !this.#isDone() && clock.monotonic() < endAt) await this.advance(100);
    if (!this.violation) this.check(() => this.#judge());
    for (const relay of this.#relays) relay.kill();
    await this.advance(1);
  }

  #isDone(): boolean {
    const isOver = this.clock.monotonic() > this.scenario.healAt && this.#openTransactions === 0;
    return isOver && this.log.missing() === undefined;
  }

  #judge(): void {
    const missing = this.log.missing();
    if (missing)
      throw new Violation(`lost: ${missing.eventId} of ${missing.streamId} was never published`, missing.eventId);
    const { actions, relays, storeLatencyMs, produceLatencyMs, pageSize } = this.scenario;
    if (actions.length > 0) return;
    const { repeated, longestWaitMs } = this.log;
    if (repeated !== undefined) throw new Violation(`repeat: no fault excuses the second ${repeated}`, repeated);
    // A page each: what comes late in a crowd waits for the others.
    const crowds = 1 + this.log.committed.size / pageSize;
    // A shard that one relay gives back is taken by another at its next look, every third of a lease.
    const handoverMs = relays > 1 ? LEASE_MS / 3 : 0;
    const boundMs = handoverMs + crowds * (PUBLISHED_WITHIN_MS + 10 * storeLatencyMs + 4 * produceLatencyMs);
    if (longestWaitMs > boundMs)
      throw new Violation(`stall: ${longestWaitMs} ms from commit to log, at most ${boundMs}`);
  }

  async #transact(plan: RelayScenario['transactions'][number]): Promise<void> {
    try {
      await runTransaction(plan, this.outbox, this.clock, (rows) => {
        for (const { eventId, streamId, targets: text, id, xid } of rows) {
          const targets = (JSON.parse(text) as [string, number | null][]).map(([endpoint, sequence]) => ({
            endpoint,
            sequence,
          }));
          const event: CommittedEvent = { at: this.clock.monotonic(), eventId, streamId, targets };
          this.log.commit(event);
          this.note(`committed: ${streamId} ${eventId} id=${id} xid=${xid} ${text}`);
        }
      });
    } catch (error) {
      this.fail(error);
    }
    this.#openTransactions--;
  }

  append(record: ProducedRecord): void {
    this.note(`log ${record.partition}: ${String(record.key)} ${String(record.headers['ce_id'])}`);
    this.check(() => this.log.append(this.clock.monotonic(), record));
  }

  // ── faults ────────────────────────────────────────────────────────────────────────────────────────────────────────

  storeDelayMs(): number {
    const hangMs = Math.max(0, this.#storeHangsUntil - this.clock.monotonic());
    return hangMs + this.dice.between(0, this.scenario.storeLatencyMs);
  }

  storeFails(): boolean {
    return this.clock.monotonic() < this.#storeFails.until && this.dice.chance(this.#storeFails.share);
  }

  logFails(): boolean {
    return this.clock.monotonic() < this.#logFails.until && this.dice.chance(this.#logFails.share);
  }

  #startRelay(index: number): void {
    const relay = new RelayProcess(this, `relay-${index}.${this.#incarnations++}`);
    this.#relays[index] = relay;
    this.note(`${relay.name} starts`);
    relay.start();
  }

  #act(action: RelayAction): void {
    this.note(`FAULT ${JSON.stringify(action)}`);
    const now = this.clock.monotonic();
    switch (action.kind) {
      case 'crash': {
        const relay = this.#relays[action.relay];
        if (!relay || relay.life.isDead) return;
        relay.kill();
        return void this.clock.schedule(action.restartMs, () => this.#startRelay(action.relay));
      }
      case 'pause': {
        const relay = this.#relays[action.relay];
        relay?.life.pause();
        return void this.clock.schedule(action.forMs, () => {
          this.note(`${relay?.name} runs again`);
          relay?.life.resume();
        });
      }
      case 'shutdown':
        return this.#shutDown(action.relay, action.restartMs);
      case 'database_restarts':
        return this.outbox.crash();
      case 'database_moves':
        return this.outbox.move();
      case 'leases_expire':
        return this.outbox.expireLeases();
      case 'store_fails':
        this.#storeFails = { until: now + action.forMs, share: action.share };
        return;
      case 'store_hangs':
        this.#storeHangsUntil = now + action.forMs;
        return;
      case 'log_fails':
        this.#logFails = { until: now + action.forMs, share: action.share };
    }
  }

  #shutDown(index: number, restartMs: number): void {
    const relay = this.#relays[index];
    if (!relay || relay.life.isDead) return;
    const ended = () => {
      if (relay.life.isDead) return;
      this.note(`${relay.name} has ended`);
      relay.kill();
      this.clock.schedule(restartMs, () => this.#startRelay(index));
    };
    relay.shutDown().then(ended, (error: unknown) => this.fail(error));
  }
}
