// Faults of PostgreSQL: restarts, connections that end or are cut at their COMMIT, locks, no connection left.
import { setTimeout as delay } from 'node:timers/promises';
import type { Weather } from '../fault-proxy.ts';
import type { World } from '../world.ts';
import { between, CONSUMERS, type FaultKind, RELAYS, seconds, wayToDatabase } from './kind.ts';

const RESTARTS = { fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const;

/** Holds row locks for a while, in a transaction of its own. */
async function holdLocks(world: World, statement: string, ms: number): Promise<string> {
  const client = await world.pool.connect();
  // A transaction that sits idle is ended by the server otherwise; and whoever restarts the server ends it too.
  client.on('error', () => undefined);
  try {
    await client.query('BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0');
    await client.query(statement);
    await delay(ms);
    await client.query('ROLLBACK');
    return `held ${seconds(ms)}: ${statement}`;
  } catch (error) {
    return `ended early: ${String(error)}`;
  } finally {
    client.release(true);
  }
}

async function cut(world: World, target: string, weather: Partial<Weather>, ms: number): Promise<string> {
  const proxy = world.network.database(target);
  const before = proxy.cuts;
  proxy.set(weather);
  await delay(ms);
  proxy.set();
  return `${proxy.cuts - before} connections cut within ${seconds(ms)}`;
}

/** As a full disk looks to who writes: every attempt to record an attempt fails. */
async function refuseRecords(world: World, ms: number): Promise<string> {
  await world.pool.query(`
    CREATE OR REPLACE FUNCTION public.chaos_disk_full() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER chaos_disk_full BEFORE INSERT ON waybill.attempt FOR EACH STATEMENT EXECUTE FUNCTION public.chaos_disk_full()`);
  await delay(ms);
  await world.pool.query('DROP TRIGGER chaos_disk_full ON waybill.attempt');
  return `no attempt could be recorded for ${seconds(ms)}`;
}

const LOCKS = {
  owners: 'SELECT FROM waybill.partition_owner FOR UPDATE',
  shards: 'SELECT FROM outbox.shard FOR UPDATE',
  lanes: 'SELECT FROM waybill.lane ORDER BY endpoint_id, stream_id LIMIT 200 FOR UPDATE',
  attempts: 'LOCK TABLE waybill.attempt IN SHARE MODE',
} as const;

export const databases: FaultKind[] = [
  {
    row: 'F15',
    kind: 'restart',
    weight: 4,
    targets: ['database-fast', 'database-immediate', 'database-kill'],
    needs: () => ['database'],
    run: async (world, target, random) => {
      const signal = RESTARTS[target.replace('database-', '') as keyof typeof RESTARTS];
      await world.cluster.signal('postgres', signal);
      const downMs = between(random, 300, 6_000);
      await delay(downMs);
      await world.cluster.start('postgres');
      return `${signal}, started again after ${seconds(downMs)}`;
    },
  },
  {
    row: 'F15',
    kind: 'terminate backends',
    weight: 3,
    targets: ['database-connections'],
    run: async (world, _target, random) => {
      const share = 0.3 + random() * 0.7;
      const { rowCount } = await world.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE backend_type = 'client backend' AND application_name <> 'chaos' AND random() < $1`,
        [share],
      );
      return `${rowCount} connections ended`;
    },
  },
  {
    row: 'F15',
    kind: 'cut at COMMIT',
    weight: 3,
    targets: [...CONSUMERS, 'writer'],
    needs: (target) => [wayToDatabase(target)],
    run: (world, target, random) => cut(world, target, { commitCuts: 0.2 }, between(random, 3_000, 8_000)),
  },
  {
    row: 'F15',
    kind: 'answers cut',
    weight: 3,
    targets: [...RELAYS, ...CONSUMERS],
    needs: (target) => [wayToDatabase(target)],
    run: (world, target, random) => cut(world, target, { answerCuts: 0.02 }, between(random, 3_000, 8_000)),
  },
  {
    row: 'F16',
    kind: 'locks',
    weight: 3,
    targets: Object.keys(LOCKS).map((what) => `database-${what}`),
    needs: () => ['database-locks'],
    run: (world, target, random) =>
      holdLocks(world, LOCKS[target.replace('database-', '') as keyof typeof LOCKS], between(random, 3_000, 9_000)),
  },
  {
    row: 'F16',
    kind: 'no connections',
    weight: 1,
    targets: ['database-pool'],
    run: (world, _target, random) => world.exhaustConnections(between(random, 3_000, 8_000)),
  },
  {
    row: 'F16',
    kind: 'disk full',
    weight: 1,
    targets: ['database-disk'],
    needs: () => ['database', 'database-locks'],
    run: (world, _target, random) => refuseRecords(world, between(random, 2_000, 8_000)),
  },
];
