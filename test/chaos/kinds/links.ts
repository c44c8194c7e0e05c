// Faults of the network between Waybill's processes and their servers: refusal, silence, delay.
import { setTimeout as delay } from 'node:timers/promises';
import { pick } from '../load.ts';
import { between, CONSUMERS, type FaultKind, RELAYS, seconds, wayToDatabase } from './kind.ts';

const CLIENTS = [...RELAYS, ...CONSUMERS, 'status'];
const clientOf = (target: string) => CLIENTS.find((client) => wayToDatabase(client) === target)!;

const STALLS = [['up'], ['down'], ['up', 'down']] as const;

export const links: FaultKind[] = [
  {
    row: 'F17',
    kind: 'partition',
    weight: 5,
    targets: CLIENTS.map(wayToDatabase),
    run: async (world, target, random) => {
      const proxy = world.network.database(clientOf(target));
      const ms = between(random, 3_000, random() < 0.15 ? 60_000 : 15_000);
      const isRefused = random() < 0.4;
      const stalls = pick(random, STALLS);
      proxy.set(isRefused ? { refuses: true } : { stalls });
      await delay(ms);
      proxy.set();
      return `${isRefused ? 'refused' : `silent ${stalls.join(' and ')}`} for ${seconds(ms)}`;
    },
  },
  {
    row: 'F17',
    kind: 'partition',
    weight: 3,
    targets: ['zone-1-kafka', 'zone-2-kafka'],
    run: async (world, target, random) => {
      const zone = Number(target[5]) - 1;
      const ms = between(random, 3_000, random() < 0.15 ? 60_000 : 20_000);
      const isRefused = random() < 0.4;
      const stalls = pick(random, STALLS);
      world.network.setZone(zone, isRefused ? { refuses: true } : { stalls });
      await delay(ms);
      world.network.setZone(zone);
      return `${isRefused ? 'refused' : `silent ${stalls.join(' and ')}`} for ${seconds(ms)}`;
    },
  },
  {
    row: 'F17',
    kind: 'slow link',
    weight: 2,
    targets: CLIENTS.map(wayToDatabase),
    run: async (world, target, random) => {
      const proxy = world.network.database(clientOf(target));
      const delayMs = between(random, 20, 200);
      const ms = between(random, 5_000, 12_000);
      proxy.set({ delayMs, jitterMs: delayMs });
      await delay(ms);
      proxy.set();
      return `${delayMs} to ${2 * delayMs} ms each way for ${seconds(ms)}`;
    },
  },
];
