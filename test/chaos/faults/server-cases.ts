// Rows F10 and F15 of the fault matrix: a broker of three dies, PostgreSQL restarts, connections break at their COMMIT.
import { until } from '#testkit';
import type { Weather } from '../fault-proxy.ts';
import type { Campaign, FaultCase } from './campaign.ts';

const WITHIN_MS = 60_000;

/** Each of the three leads a part of the partitions, and one of them is the controller. */
const killBroker = (n: number): FaultCase => ({
  row: 'F10',
  title: `broker ${n} of three is killed, stays away until events flow without it, and comes back`,
  kind: 'kill',
  target: `broker-${n}`,
  recovery: 'began',
  run: async (campaign) => {
    const { cluster } = campaign.world;
    const beganAt = Date.now();
    await cluster.signal(`kafka-${n}`, 'SIGKILL');
    await isGone(campaign, `kafka-${n}`);
    await campaign.flows(beganAt);
    await cluster.start(`kafka-${n}`);
    return { detail: 'kill -9', beganAt };
  },
});

const restartDatabase = (how: string, signal: NodeJS.Signals): FaultCase => ({
  row: 'F15',
  title: `PostgreSQL is restarted by a shutdown that it calls ${how}`,
  kind: 'restart',
  target: 'database',
  run: async (campaign) => {
    const { cluster } = campaign.world;
    await cluster.signal('postgres', signal);
    await isGone(campaign, 'postgres');
    await cluster.start('postgres');
    return { detail: signal };
  },
});

function isGone({ world: { cluster } }: Campaign, server: string): Promise<unknown> {
  const hasEnded = async () => (await cluster.pids()).every(({ name }) => name !== server);
  return until(hasEnded, { withinMs: WITHIN_MS, what: `${server} to end` });
}

/** Connections of each client that are cut, at least. */
const CUTS = 3;

/** At COMMIT: before the server has it, or after, so that only the answer is lost. Else in the middle of an answer. */
const cutConnections = (title: string, clients: readonly string[], weather: Partial<Weather>): FaultCase => ({
  row: 'F15',
  title,
  kind: 'cut',
  target: 'database',
  run: async ({ world: { network } }) => {
    const proxies = clients.map((client) => network.database(client));
    for (const proxy of proxies) proxy.set(weather);
    const areCut = () => proxies.every(({ cuts }) => cuts >= CUTS);
    await until(areCut, { withinMs: WITHIN_MS, what: 'connections to be cut' });
    for (const proxy of proxies) proxy.set();
    return { detail: `cut: ${proxies.map(({ cuts }) => cuts).join(', ')}` };
  },
});

export const serverCases: FaultCase[] = [
  ...[1, 2, 3].map(killBroker),
  restartDatabase('fast', 'SIGINT'),
  restartDatabase('immediate', 'SIGQUIT'),
  cutConnections('consumers and writer lose connections at their COMMIT', ['consumer-1', 'consumer-2', 'writer'], {
    commitCuts: 0.3,
  }),
  cutConnections('both relays lose connections in the middle of an answer', ['relay-1', 'relay-2'], {
    answerCuts: 0.05,
  }),
  {
    row: 'F15',
    title: 'a consumer does not learn that its transaction is committed, and sees another one fail before COMMIT',
    kind: 'unknown outcome',
    target: 'consumer-2',
    run: async (campaign) => {
      await campaign.arm('consumer-2', 'database.after_commit=throw@20;database.before_commit=throw@40');
      const beganAt = Date.now();
      for (const name of ['after', 'before']) await campaign.said('consumer-2', `failpoint database.${name}_commit`);
      return { detail: 'database.after_commit, database.before_commit', beganAt };
    },
  },
];
