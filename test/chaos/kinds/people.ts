// What receivers and operators do while all this happens.
import { setTimeout as delay } from 'node:timers/promises';
import { pick } from '../load.ts';
import { isHealthy, RESIDENTS } from '../population.ts';
import { between, type FaultKind, seconds } from './kind.ts';

export const people: FaultKind[] = [
  {
    row: 'F26',
    kind: 'spell',
    weight: 4,
    targets: RESIDENTS.filter((one) => !isHealthy(one)).map(({ path }) => `receiver${path}`),
    isHarmless: true,
    run: async (world, target, random) => {
      const answer = pick(random, ['fail', 'hang', 'reset', 'later', 'slow', 'cut'] as const);
      const forMs = between(random, 5_000, 25_000);
      await world.receiver.call('cast', { path: target.replace('receiver', ''), answer, forMs });
      await delay(forMs);
      return `${answer} for ${seconds(forMs)}`;
    },
  },
  {
    row: 'F28',
    kind: 'retry all',
    weight: 2,
    targets: ['operator'],
    isHarmless: true,
    run: async (world) => {
      const wake = ({ id }: { id: string }) =>
        world.api.call('POST', `/v1/endpoints/${id}/retry-halted`, { reason: 'chaos: all of them' });
      // Sent twice, at once.
      const answers = await Promise.all([...world.endpoints, ...world.endpoints].map(wake));
      return `retry-halted of all endpoints, twice; answers ${[...new Set(answers.map(({ status }) => status))].join(', ')}`;
    },
  },
];
