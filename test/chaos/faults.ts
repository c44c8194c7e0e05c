// Lets the planned faults happen: each in its turn, as soon as what it needs is free, with a line in the journal when it is healed.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '#clock';
import type { Fault } from './checker/history.ts';
import { Claims } from './claims.ts';
import { Journal } from './journal.ts';
import type { PlannedFault } from './plan.ts';
import type { World } from './world.ts';

/** A fault with what its recovery needs besides. */
export interface FaultRecord extends Fault {
  /** From here on events could flow again. */
  recoveryFrom: number;
  /** Events flow on meanwhile: it is no reason for another fault's long recovery. */
  isHarmless: boolean;
}

/** After a fault that was alone everything has this long to come to rest. */
const REST_MS = 8_000;
export class Faults {
  readonly #world: World;
  readonly #journal: Journal;
  readonly #claims = new Claims();
  readonly #running = new Set<Promise<void>>();
  readonly records: FaultRecord[] = [];
  /** Of the faults that are going on. */
  readonly active = new Map<number, string>();
  #count = 0;

  constructor(world: World) {
    this.#world = world;
    this.#journal = new Journal(join(world.folder, 'faults.jsonl'));
  }

  /**
   * Alone, one by one, until `stormAt`, then overlapping until `endsAt`; what of the plan is left then does not happen. Resolves
   * when the last one is healed.
   */
  async run(
    plan: readonly PlannedFault[],
    { stormAt, endsAt }: { stormAt: number; endsAt: number },
    onProgress: (line: string) => void,
  ): Promise<void> {
    for (const planned of plan) {
      if (Date.now() >= endsAt) break;
      const work = this.#happen(planned, onProgress);
      this.#running.add(work);
      void work.finally(() => this.#running.delete(work));
      const isAlone = Date.now() < stormAt;
      if (isAlone) await work;
      await delay(isAlone ? REST_MS : planned.gapMs);
    }
    await Promise.all(this.#running);
    this.#journal[Symbol.dispose]();
  }

  async #happen({ kind, target, seed }: PlannedFault, onProgress: (line: string) => void): Promise<void> {
    const release = await this.#claims.take(kind.needs?.(target) ?? [target]);
    const n = ++this.#count;
    const beganAt = Date.now();
    const name = `${kind.row} ${kind.kind} ${target}`;
    this.active.set(n, name);
    // What goes wrong with a fault is part of its story; the checker judges what Waybill made of it.
    const detail = await kind.run(this.#world, target, seededRandom(seed)).catch(String);
    this.active.delete(n);
    release();
    const endedAt = Date.now();
    const fault: Fault = {
      n,
      row: kind.row,
      kind: kind.kind,
      target,
      beganAt,
      endedAt,
      detail,
      isClean: kind.isClean === true,
    };
    this.#journal.append(fault);
    const recoveryFrom = kind.recovery === 'began' ? beganAt : endedAt;
    this.records.push({ ...fault, recoveryFrom, isHarmless: kind.isHarmless === true });
    onProgress(`${name}: ${detail} (${((endedAt - beganAt) / 1_000).toFixed(1)} s)`);
  }
}
