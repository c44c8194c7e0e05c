// What windows promise, whatever holds the outbox: PostgreSQL and the outbox of the simulation pass the same suite.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '#clock';
import { faultsOf, MemoryLog, TestRelay } from '../testing.ts';
import { anyHistory, playHistory, type TestOutbox, type TestTransaction } from './windows-histories.ts';

/** `histories`: random ones; fast-check prints the seed of a failure. */
export function describeWindows(
  where: string,
  open: () => Promise<TestOutbox>,
  { histories }: { histories: number },
): void {
  let outbox: TestOutbox;
  let runs = 0;
  const relays: TestRelay[] = [];
  beforeAll(async () => void (outbox = await open()));
  afterAll(async () => {
    for (const relay of relays) relay.kill();
    await outbox.close();
  });

  function newRelay(log: MemoryLog, pageSize: number): TestRelay {
    const relay = new TestRelay({ sessions: outbox.sessions, log, pageSize, random: seededRandom(1) });
    relays.push(relay);
    return relay;
  }

  /** Everything that earlier tests left in the outbox is published, and nobody holds a shard. */
  async function startClean(): Promise<MemoryLog> {
    await outbox.expireLeases();
    const log = new MemoryLog();
    const relay = newRelay(log, 500);
    await relay.settle();
    await relay.relay.stop();
    log.streams.clear();
    return log;
  }

  /** In a transaction of its own. */
  async function publishNow(stream: string, payload?: string): Promise<string> {
    const transaction = await outbox.begin();
    const id = await transaction.publish(stream, payload);
    await transaction.commit();
    return id;
  }

  describe(`a window (${where})`, () => {
    it('holds a transaction that was the only one running while idle passes went by', async () => {
      const log = await startClean();
      const relay = newRelay(log, 7);
      await relay.pass();
      const writer = await outbox.begin();
      const id = await writer.publish(`only-${++runs}`);
      // Its xid is at or above the xmax of these snapshots, and in none of their lists of running transactions.
      for (let pass = 0; pass < 5; pass++) await relay.pass();
      await writer.commit();
      await relay.pass();
      await relay.pass();
      expect(log.eventIds).toEqual(new Set([id]));
      await relay.relay.stop();
    });

    it('holds it whether idle passes stored their progress or not, and after a restart', async () => {
      const log = await startClean();
      const committed = new Set<string>();
      let relay = newRelay(log, 3);
      const writers: TestTransaction[] = [];
      for (const stored of [[], [0], [1], [0, 1], [2], [0, 2]]) {
        const writer = await outbox.begin();
        writers.push(writer);
        committed.add(await writer.publish(`stored-${++runs}`));
        for (let pass = 0; pass < 3; pass++) await relay.pass({ advanceMs: stored.includes(pass) ? 21_000 : 10 });
        if (stored.length === 2) {
          await outbox.expireLeases();
          relay = newRelay(log, 3);
        }
      }
      // The first to begin is the last to commit.
      for (const writer of writers.toReversed()) {
        await writer.commit();
        await relay.pass({ advanceMs: 21_000 });
      }
      await relay.settle();
      expect(faultsOf(log, committed)).toEqual([]);
      expect(log.length).toBe(committed.size);
      await relay.relay.stop();
    });

    it('publishes a lower id that commits later, once, and leaves out what rolls back', async () => {
      const log = await startClean();
      const relay = newRelay(log, 2);
      const [first, second, third] = [await outbox.begin(), await outbox.begin(), await outbox.begin()];
      const run = ++runs;
      const lowest = await first.publish(`low-${run}`);
      await second.publish(`gone-${run}`);
      const highest = await third.publish(`high-${run}`);
      await third.commit();
      await relay.pass();
      expect([...log.eventIds]).toEqual([highest]);
      await second.rollback();
      await relay.pass();
      await first.commit();
      await relay.pass();
      await relay.pass();
      expect([...log.streams.values()].flat().map((row) => row.eventId)).toEqual([highest, lowest]);
      await relay.relay.stop();
    });

    it('is not held up by a long transaction of somebody else, which costs no repetition either', async () => {
      const log = await startClean();
      const relay = newRelay(log, 5);
      const foreign = await outbox.begin();
      await foreign.drawXid();
      const stream = `busy-${++runs}`;
      for (let n = 0; n < 20; n++) {
        await publishNow(stream);
        await relay.pass();
      }
      expect(log.length).toBe(20);
      await foreign.rollback();
      await relay.settle();
      expect(log.length).toBe(20);
      expect(
        log
          .lanes()
          .get(`${stream} 00000000-0000-4000-8000-00000000000a`)!
          .map((one) => one.sequence),
      ).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
      await relay.relay.stop();
    });

    it('keeps the order of a stream whose publishers have transaction ids in the opposite order', async () => {
      const log = await startClean();
      const relay = newRelay(log, 1);
      const stream = `swapped-${++runs}`;
      const early = await outbox.begin();
      await early.drawXid();
      const first = await publishNow(stream);
      await relay.pass();
      const second = await early.publish(stream);
      await early.commit();
      const third = await publishNow(stream);
      for (let pass = 0; pass < 4; pass++) await relay.pass();
      expect(log.streams.get(stream)!.map((row) => row.eventId)).toEqual([first, second, third]);
      await relay.relay.stop();
    });

    it('is cut by bytes as well as by rows: large payloads come in small pages, none left out', async () => {
      const log = await startClean();
      const relay = newRelay(log, 500);
      const stream = `large-${++runs}`;
      const committed = new Set<string>();
      const text = `"${'x'.repeat(524_000)}"`;
      for (let n = 0; n < 20; n++) committed.add(await publishNow(stream, n === 10 ? '{}' : text));
      const pages: number[] = [];
      relay.onProduce = async (rows) => void pages.push(rows.reduce((sum, row) => sum + row.payload.length, 0));
      await relay.settle();
      expect(faultsOf(log, committed)).toEqual([]);
      expect(log.length).toBe(20);
      expect(Math.max(...pages)).toBeLessThan(5 * 1_048_576);
      await relay.relay.stop();
    });
  });

  describe(`any history of writers and relays (${where})`, () => {
    const bound = { timeout: histories * 4_000 };
    it('publishes every committed event, none that was rolled back, each lane in order', bound, async () => {
      await startClean();
      await fc.assert(
        fc.asyncProperty(anyHistory, async ([steps, pageSize]) => {
          expect(await playHistory(outbox, ++runs, steps, pageSize)).toEqual([]);
        }),
        { numRuns: histories, verbose: 1, endOnFailure: true },
      );
    });
  });
}
