// Rows F1, F2, F4, F5, F6 and F8 of the fault matrix: Waybill's own processes die, freeze and stop, at moments of their own code.
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { until } from '#testkit';
import { RESIDENTS } from '../population.ts';
import type { Campaign, FaultCase } from './campaign.ts';
import { crowdRetryTopic } from './tickets.ts';

const WITHIN_MS = 40_000;

const restart = (target: string): FaultCase => ({
  row: 'F5',
  title: `${target} is stopped by SIGTERM and started again`,
  kind: 'term',
  target,
  recovery: 'began',
  isClean: true,
  run: async (campaign) => {
    await campaign.restart(target);
    return { detail: 'SIGTERM, code 0' };
  },
});

/** A service dies by its own hand, as by kill -9, when `rules` say; then it is started again. */
const death = (row: string, target: string, rules: string, when: string): FaultCase => ({
  row,
  title: `${target} dies ${when}`,
  kind: 'failpoint',
  target,
  recovery: 'began',
  run: async (campaign) => {
    await campaign.arm(target, rules);
    const beganAt = await campaign.death(target);
    await campaign.start(target);
    return { detail: rules, beganAt };
  },
});

/** A table of leases, and what the log of a process says that finds its own lost. */
interface Leases {
  table: string;
  loss: string;
  /** Of those who held them until now: how much they have put on record; counts anew at each call. */
  recordsOfFormer?(campaign: Campaign): Promise<() => Promise<number>>;
}

const SHARDS: Leases = { table: 'outbox.shard', loss: 'shards were taken over by another relay' };
const PARTITIONS: Leases = {
  table: 'waybill.partition_owner',
  loss: 'partition was taken over by another consumer',
  recordsOfFormer: async ({ world: { pool } }) => {
    const { rows: owned } = await pool.query<{ partition: number; epoch: string }>(
      'SELECT partition, epoch FROM waybill.partition_owner',
    );
    return async () => {
      const { rows } = await pool.query<{ count: number }>(
        `SELECT count(*)::int AS count FROM waybill.attempt a
           JOIN (SELECT endpoint_id, event_id, partition FROM waybill.delivery UNION
                 SELECT endpoint_id, event_id, partition FROM waybill.delivery_history) d USING (endpoint_id, event_id)
           JOIN unnest($1::int[], $2::bigint[]) AS now (partition, epoch) USING (partition)
          WHERE a.epoch < now.epoch`,
        [owned.map(({ partition }) => partition), owned.map(({ epoch }) => epoch)],
      );
      return rows[0]!.count;
    };
  },
};

/** A service freezes, its connections still standing, until another holds all leases; then it goes on where it was. */
const freeze = (row: string, target: string, rules: string, leases: Leases): FaultCase => ({
  row,
  title: `${target} freezes (${rules}), loses its leases, and goes on where it was`,
  kind: 'pause',
  target,
  recovery: 'began',
  run: async (campaign) => {
    await campaign.arm(target, rules);
    const service = campaign.world.service(target);
    await until(() => isFrozen(service.pid), { withinMs: WITHIN_MS, what: `${target} to freeze` });
    const beganAt = Date.now();
    const isTakenOver = () => isHeldByOne(campaign, leases.table);
    await until(isTakenOver, { withinMs: WITHIN_MS, what: `the leases of ${target} to be taken over` });
    const count = await leases.recordsOfFormer?.(campaign);
    const before = await count?.();
    service.signal('SIGCONT');
    await campaign.said(target, leases.loss);
    await campaign.flows(beganAt);
    expect(await count?.(), 'records of the one that was frozen').toBe(before);
    return { detail: rules, beganAt };
  },
});

/** By the state in proc(5). */
function isFrozen(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}

/** One process holds all of them, by leases that have not run out. */
async function isHeldByOne({ world }: Campaign, table: string): Promise<boolean> {
  const { rows } = await world.pool.query<{ holders: number; hold: boolean }>(
    `SELECT count(DISTINCT holder)::int AS holders, bool_and(lease_until > now()) AS hold FROM ${table}`,
  );
  return rows[0]!.holders === 1 && rows[0]!.hold;
}

/** While lanes of every endpoint that may fail wait for their next attempt, and more come. */
const amidRetries = (fault: FaultCase): FaultCase => ({
  ...fault,
  title: `${fault.title}, while many lanes are retried`,
  run: async (campaign) => {
    const failing = RESIDENTS.filter(({ temper }) => temper.answers.fail !== undefined);
    for (const { path } of failing) await campaign.world.receiver.call('cast', { path, answer: 'fail', forMs: 8_000 });
    return fault.run(campaign);
  },
});

export const serviceCases: FaultCase[] = [
  // First, while nothing else excuses a duplicate.
  ...['relay-1', 'consumer-1', 'status'].map(restart),
  {
    row: 'F1',
    title: 'relay-1 is killed between two passes',
    kind: 'kill',
    target: 'relay-1',
    recovery: 'began',
    run: async (campaign) => {
      await campaign.world.service('relay-1').kill();
      await campaign.start('relay-1');
      return { detail: 'kill -9' };
    },
  },
  death('F1', 'relay-2', 'relay.after_read=exit@10', 'with a page that is read and not published'),
  death('F1', 'relay-1', 'relay.after_produce_before_store=exit@10', 'with a page that is published and not stored'),
  freeze('F2', 'relay-2', 'relay.after_read=stop@10', SHARDS),
  death('F4', 'consumer-1', 'consumer.before_send=exit@40', 'before a request is sent'),
  death('F4', 'consumer-2', 'consumer.in_flight=exit:20@40', 'with a request in flight'),
  death('F4', 'consumer-1', 'consumer.after_success_before_flush=exit@40', 'between a success and its record'),
  death('F4', 'consumer-2', 'consumer.after_flush_before_offsets=exit@20', 'between the record and its offset'),
  freeze('F6', 'consumer-1', 'consumer.before_send=stop@80', PARTITIONS),
  amidRetries(death('F8', 'consumer-2', 'consumer.after_park_before_ticket=exit@10', 'before a ticket is written')),
  amidRetries(death('F8', 'consumer-1', 'consumer.before_flush=exit@30', 'with outcomes that are not on record')),
  {
    row: 'F8',
    title: 'old tickets of all lanes come back, twice each, among tickets that nobody can read',
    kind: 'tickets',
    target: 'tickets',
    isClean: true,
    run: async ({ world }) => ({ detail: `${await crowdRetryTopic(world)} tickets` }),
  },
];
