// Faults of Waybill's own processes: killed, paused, stopped in good order, ended at a moment of their own code.
import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '#clock';
import { pick } from '../load.ts';
import { GUEST, SHIFTED, type World } from '../world.ts';
import { between, BOUND_MS, CONSUMERS, type FaultKind, RELAYS, restarted, seconds } from './kind.ts';

async function killService(world: World, target: string, random: Random): Promise<string> {
  await world.service(target).kill();
  await delay(between(random, 200, 4_000));
  return `kill -9; ${await restarted(world, target)}`;
}

async function pauseService(world: World, target: string, ms: number): Promise<string> {
  const service = world.service(target);
  service.signal('SIGSTOP');
  await delay(ms);
  service.signal('SIGCONT');
  return `SIGSTOP for ${seconds(ms)}`;
}

async function restartService(world: World, target: string): Promise<string> {
  const how = await world.service(target).terminate(BOUND_MS);
  const back = await restarted(world, target);
  return `SIGTERM, ended with ${how}; ${back}`;
}

/** A start that is armed, its end by itself, and an unarmed start. */
async function failpoint(world: World, target: string, rule: string): Promise<string> {
  const service = world.service(target);
  await service.kill();
  service.start(rule);
  const how = await service.ended(20_000);
  if (how === null) await service.kill();
  return `${rule}: ${how ?? 'not hit within 20 s'}; ${await restarted(world, target)}`;
}

const JUMPS_MS = [-3_600_000, -300_000, 300_000, 3_600_000];

async function shiftClock(world: World, target: string, random: Random): Promise<string> {
  const jumpMs = pick(random, JUMPS_MS);
  const ms = between(random, 5_000, 20_000);
  world.service(target).shiftClock(jumpMs);
  await delay(ms);
  world.service(target).shiftClock(0);
  return `the wall clock ${seconds(jumpMs)} off for ${seconds(ms)}`;
}

/** As a deployment does it: the migration and all processes, one after the other, a new consumer before an old one goes. */
async function upgrade(world: World): Promise<string> {
  const migrate = world.service('migrate');
  migrate.start();
  const steps = [`${GUEST} joined, ${await restarted(world, GUEST)}`];
  for (const name of [...RELAYS, ...CONSUMERS, 'status']) steps.push(`${name}: ${await restartService(world, name)}`);
  steps.push(`${GUEST} left by SIGTERM, ${await world.service(GUEST).terminate(BOUND_MS)}`);
  return `migration ended with ${await migrate.ended(BOUND_MS)}; ${steps.join('; ')}`;
}

/** Moments, and at which of their hits the process may end: some come a hundred times a second, others now and then. */
const RELAY_FAILPOINTS = { 'relay.after_read': 40, 'relay.after_produce_before_store': 40, 'producer.after_ack': 40 };
const CONSUMER_FAILPOINTS = {
  'consumer.after_acquire': 2,
  'consumer.before_send': 60,
  'consumer.after_success_before_flush': 60,
  'consumer.before_flush': 60,
  'consumer.after_flush_before_offsets': 60,
  'consumer.after_offsets': 40,
  'consumer.after_park_before_ticket': 5,
  'database.before_commit': 5,
  'database.after_commit': 5,
};

function rule(random: Random, failpoints: Readonly<Record<string, number>>): string {
  const [name, mostHits] = pick(random, Object.entries(failpoints));
  return `${name}=exit@${between(random, 1, mostHits)}`;
}

export const processes: FaultKind[] = [
  { row: 'F1', kind: 'kill', weight: 4, targets: RELAYS, recovery: 'began', run: killService },
  {
    row: 'F1',
    kind: 'failpoint',
    weight: 3,
    targets: RELAYS,
    run: (world, target, random) => failpoint(world, target, rule(random, RELAY_FAILPOINTS)),
  },
  {
    row: 'F2',
    kind: 'pause',
    weight: 2,
    targets: RELAYS,
    recovery: 'began',
    run: (world, target, random) => pauseService(world, target, between(random, 8_000, 14_000)),
  },
  { row: 'F4', kind: 'kill', weight: 6, targets: CONSUMERS, recovery: 'began', run: killService },
  {
    row: 'F4',
    kind: 'failpoint',
    weight: 6,
    targets: CONSUMERS,
    run: (world, target, random) => failpoint(world, target, rule(random, CONSUMER_FAILPOINTS)),
  },
  {
    row: 'F5',
    kind: 'term',
    weight: 6,
    targets: [...RELAYS, ...CONSUMERS, 'status'],
    isClean: true,
    recovery: 'began',
    run: restartService,
  },
  {
    row: 'F6',
    kind: 'pause',
    weight: 3,
    targets: CONSUMERS,
    recovery: 'began',
    run: (world, target, random) => pauseService(world, target, between(random, 11_000, 20_000)),
  },
  {
    row: 'F7',
    kind: 'join',
    weight: 3,
    targets: [GUEST],
    run: async (world, target, random) => {
      const back = await restarted(world, target);
      await delay(between(random, 3_000, 12_000));
      const isKilled = random() < 0.5;
      if (isKilled) await world.service(target).kill();
      return `joined, ${back}; left by ${isKilled ? 'kill -9' : `SIGTERM, ${await world.service(target).terminate(BOUND_MS)}`}`;
    },
  },
  { row: 'F9', kind: 'kill', weight: 1, targets: ['status'], isHarmless: true, run: killService },
  { row: 'F19', kind: 'clock jump', weight: 2, targets: SHIFTED, run: shiftClock },
  {
    row: 'F29',
    kind: 'rolling upgrade',
    weight: 1,
    targets: ['services'],
    needs: () => [...RELAYS, ...CONSUMERS, 'status', GUEST],
    isClean: true,
    run: upgrade,
  },
];
