// Faults of Kafka's brokers and of the registry.
import { setTimeout as delay } from 'node:timers/promises';
import { GUEST, type World } from '../world.ts';
import { between, BOUND_MS, CONSUMERS, type FaultKind, restarted, seconds } from './kind.ts';

const BROKERS = ['broker-1', 'broker-2', 'broker-3'];
const partOf = (broker: string) => broker.replace('broker', 'kafka');

export const servers: FaultKind[] = [
  {
    row: 'F10',
    kind: 'kill',
    weight: 4,
    targets: BROKERS,
    needs: () => ['kafka'],
    recovery: 'began',
    run: async (world, target, random) => {
      await world.cluster.signal(partOf(target), 'SIGKILL');
      const downMs = between(random, 2_000, 12_000);
      await delay(downMs);
      await world.cluster.start(partOf(target));
      return `kill -9, started again after ${seconds(downMs)}`;
    },
  },
  {
    row: 'F10',
    kind: 'pause',
    weight: 1,
    targets: BROKERS,
    needs: () => ['kafka'],
    recovery: 'began',
    run: async (world, target, random) => {
      const ms = between(random, 4_000, 15_000);
      await world.cluster.signal(partOf(target), 'SIGSTOP');
      await delay(ms);
      await world.cluster.signal(partOf(target), 'SIGCONT');
      return `SIGSTOP for ${seconds(ms)}`;
    },
  },
  {
    row: 'F11',
    kind: 'outage',
    weight: 1,
    targets: ['broker-1+2', 'broker-2+3', 'broker-1+2+3'],
    needs: () => ['kafka'],
    run: async (world, target, random) => {
      const names = target.replace('broker-', '').split('+');
      const downMs = between(random, 10_000, 60_000);
      await Promise.all(names.map((n) => world.cluster.signal(`kafka-${n}`, 'SIGKILL')));
      await delay(downMs);
      await Promise.all(names.map((n) => world.cluster.start(`kafka-${n}`)));
      return `kill -9 of ${names.length}, started again after ${seconds(downMs)}`;
    },
  },
  {
    row: 'F14',
    kind: 'outage',
    weight: 1,
    targets: ['registry'],
    isHarmless: true,
    run: async (world, target, random) => {
      const downMs = between(random, 5_000, 25_000);
      await world.cluster.signal(target, 'SIGKILL');
      await delay(downMs);
      await world.cluster.start(target);
      return `kill -9, started again after ${seconds(downMs)}`;
    },
  },
];

/** Kafka deletes the offsets of a group without members only. */
async function deleteOffsets(world: World): Promise<string> {
  await Promise.all(CONSUMERS.map((name) => world.service(name).terminate(BOUND_MS)));
  const deadline = performance.now() + BOUND_MS;
  try {
    // One that was killed a moment ago is still a member until its session ends.
    for (;;) {
      const fault = await world.deleteOffsets().then(() => null, String);
      if (fault === null) return 'deleted while no consumer ran';
      if (performance.now() > deadline) return `not deleted: ${fault}`;
      await delay(1_000);
    }
  } finally {
    await Promise.all(CONSUMERS.map((name) => restarted(world, name)));
  }
}

/** What is there only when asked for. */
export const losses: FaultKind[] = [
  {
    row: 'F12',
    kind: 'topic recreated',
    weight: 1,
    targets: ['topic'],
    needs: () => ['kafka'],
    run: (world) => world.recreateEventsTopic(),
  },
  {
    row: 'F12',
    kind: 'offsets deleted',
    weight: 1,
    targets: ['offsets'],
    needs: () => ['kafka', ...CONSUMERS, GUEST],
    run: deleteOffsets,
  },
];
